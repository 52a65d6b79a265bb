package import StorageEvents

/// The decoder of billing files, held to what a follower needs: whole lines in, and a state that can be kept.
package struct BillingLineDecoder: LineDecoding {
    private var decoder: BillingTextDecoder
    private var batch = DecodedBatch()
    private var line: Int

    /// - Parameter state: what ``state`` gave, or nothing at a file's beginning.
    package init(date: BillingName, zone: ZoneRules, state: [UInt8]) throws(SourceError) {
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let name = "billing-\(date.year).\(padded(date.month)).\(padded(date.day))"
        // The number of the line, a line feed, and what the decoder itself keeps.
        let parts = state.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
        guard state.isEmpty || parts.count == 2 else {
            throw SourceError(.state, "The kept state of \(name) is not of this version.")
        }
        line = parts.first.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        do {
            decoder = try BillingTextDecoder(
                restoring: state.isEmpty ? [] : Array(parts[1]), fileName: name, zone: zone)
        } catch {
            throw SourceError(.state, "The kept state of \(name) cannot be used: \(error)")
        }
    }

    package mutating func decode(_ bytes: ArraySlice<UInt8>, into lines: inout DecodedLines) {
        batch.removeAll()
        bytes.withUnsafeBytes { buffer in
            var start = 0
            while start < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[start...])
                let length = rest.firstIndex(of: 0x0A) ?? rest.count
                line += 1
                decoder.decode(
                    line: UnsafeRawBufferPointer(rebasing: rest[..<length]), lineNumber: line, into: &batch)
                start += length + 1
            }
        }
        lines.take(&batch)
    }

    package mutating func finish(into lines: inout DecodedLines) {
        batch.removeAll()
        decoder.finish(into: &batch)
        lines.take(&batch)
    }

    package var state: [UInt8] { Array("\(line)\n".utf8) + decoder.state }
}
