import CloudEvents
import EventSources
import Synchronization
import Testing

@Suite struct StandardInputTests {
    /// Pieces of input, one a read.
    private final class Pieces: LineInput {
        private let pieces: Mutex<[[UInt8]]>
        init(_ pieces: [String]) { self.pieces = Mutex(pieces.map { Array($0.utf8) }) }
        nonisolated(nonsending) func read(_ count: Int) async throws -> [UInt8]? {
            pieces.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    @Test func linesInPiecesAreReadAndTheEndIsTheEnd() async throws {
        let channel = MemoryChannel()
        let dead = MemoryChannel("dead")
        let source = StandardInputSource(
            id: SourceID(namespace: "default", name: "stdin"),
            output: SourceOutput(channel: channel, deadLetters: dead, report: SourceReport()),
            input: Pieces(["a\nb", "b\n", "bad x\nc", "cc", "\nlast"]), decoder: { NumberedLines(state: []) })
        try await source.run()
        #expect(channel.events.map(\.id) == ["a", "bb", "ccc", "last"])
        #expect(dead.events.map { $0["line"] } == [.string("3")])
    }
}
