package import CloudEvents

/// Turns whole lines into events, remembering from one to the next what it must.
///
/// The seam between sources, which read, and the decoders of StorageEvents, which know formats.
package protocol LineDecoding {
    /// Decodes bytes that end with a line's end.
    mutating func decode(_ bytes: ArraySlice<UInt8>, into lines: inout DecodedLines)
    /// Says that no more will come: an unfinished record is told as it is.
    mutating func finish(into lines: inout DecodedLines)
    /// What must be kept to go on after a restart.
    var state: [UInt8] { get }
}

/// What a decoder made of some lines.
package struct DecodedLines: Sendable {
    package struct Failure: Sendable, Hashable {
        /// From 1.
        package var line: Int64
        package var reason: String
        package var bytes: [UInt8]

        package init(line: Int64, reason: String, bytes: [UInt8]) {
            self.line = line
            self.reason = reason
            self.bytes = bytes
        }
    }

    package var events: [EventRecord] = []
    package var failures: [Failure] = []

    package init() {}

    package var isEmpty: Bool { events.isEmpty && failures.isEmpty }

    package mutating func removeAll() {
        events.removeAll(keepingCapacity: true)
        failures.removeAll(keepingCapacity: true)
    }
}
