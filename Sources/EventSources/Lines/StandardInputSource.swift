import CloudEvents
import Foundation
import Synchronization

/// Lines that come in on a descriptor, by default standard input. Its end is the source's end; no position is kept, for
/// there is nothing to go back to.
package actor StandardInputSource: EventSource {
    package typealias MakeDecoder = @Sendable () throws -> any LineDecoding

    package nonisolated let executor: BlockingExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let output: SourceOutput
    private let makeDecoder: MakeDecoder
    private let input: any LineInput
    private let clock: SourceClock
    private static let longestLine = 16 << 20

    package init(
        id: SourceID, output: SourceOutput, input: any LineInput = DescriptorInput(descriptor: 0),
        clock: SourceClock = .system, decoder: @escaping MakeDecoder
    ) {
        executor = BlockingExecutor(label: "weir.source.\(id)")
        self.output = output
        self.input = input
        self.clock = clock
        makeDecoder = decoder
    }

    package func run() async throws {
        var decoder = try makeDecoder()
        var lines = DecodedLines()
        var buffer: [UInt8] = []
        output.report.running()
        while let bytes = try await input.read(1 << 20) {
            buffer += bytes
            if let end = buffer.lastIndex(of: 0x0A) {
                decoder.decode(buffer[...end], into: &lines)
                buffer.removeFirst(end + 1)
            } else if buffer.count > Self.longestLine {
                lines.failures.append(
                    .init(line: 0, reason: "The line is longer than \(Self.longestLine) bytes.", bytes: buffer))
                buffer.removeAll()
            }
            try await publish(&lines)
        }
        try Task.checkCancellation()
        // The input has ended for good, so a last line without its end is a line.
        if !buffer.isEmpty { decoder.decode(buffer + [0x0A], into: &lines) }
        decoder.finish(into: &lines)
        try await publish(&lines)
    }

    private func publish(_ lines: inout DecodedLines) async throws {
        let now = clock.wall()
        try await output.publish(
            unreadable: lines.failures.map {
                Unreadable(
                    bytes: $0.bytes, reason: $0.reason, source: "weir:stdin", subject: "-",
                    line: $0.line > 0 ? $0.line : nil, time: now
                ).event
            })
        try await output.publish(lines.events)
        lines.removeAll()
    }
}
