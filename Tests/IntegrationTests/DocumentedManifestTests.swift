import CloudEvents
import Foundation
import TestSupport
import Testing

/// What the documentation gives to be pasted is accepted as it stands.
@Suite(.fewAtATime, .timeLimit(.minutes(3))) struct DocumentedManifestTests {
    /// The blocks of a page that begin with a key of a manifest, dedented.
    private static func blocks(_ page: String) throws -> [String] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/" + page), encoding: .utf8)
        var blocks: [[Substring]] = []
        var isInside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let isCode = line.hasPrefix("    ")
            if isCode, isInside { blocks[blocks.count - 1].append(line.dropFirst(4)) }
            if isCode, !isInside { blocks.append([line.dropFirst(4)]) }
            isInside = isCode
        }
        return blocks.map { $0.joined(separator: "\n") }.filter { block in
            ["channels:", "sources:", "subscriptions:", "sink:", "gather:"].contains { block.hasPrefix($0) }
        }
    }

    /// A whole manifest of a block that shows a part.
    private static func manifest(_ block: String) -> String {
        func indented(_ text: String, _ by: Int) -> String {
            text.split(separator: "\n").map { String(repeating: " ", count: by) + $0 }.joined(separator: "\n")
        }
        var text = block
        if block.hasPrefix("gather:") { text = "sink: channel:lean\n" + block }
        if text.hasPrefix("sink:") { text = "subscriptions:\n  shown:\n    channel: storage\n" + indented(text, 4) }
        if !block.contains("channels:") {
            text += "\nchannels:\n  storage: { retention: 30d, partitions: 4 }\n  lean: {}\n  failed: {}\n"
        }
        return text + "\n"
    }

    @Test(arguments: ["sources.md", "sinks.md", "how-to/gather.md"])
    func `each manifest is applied`(_ page: String) async throws {
        let folder = try TemporaryDirectory("weir-docs")
        let data = folder.file("data")
        let server = try await ServerProcess(data: data)
        try await server.client.function("checksum", "def handle(event, context): pass")
        let blocks = try Self.blocks(page)
        #expect(blocks.count >= 3)
        for (number, block) in blocks.enumerated() {
            let path = folder.file("\(number).yaml")
            try Self.manifest(block).write(toFile: path, atomically: true, encoding: .utf8)
            let applied = try await Command.weir(data, "apply", "-f", path)
            #expect(applied.status == 0, "\(page):\n\(block)\n\(applied.errors)\(applied.text)")
        }
        #expect(server.stop() == 0)
    }
}
