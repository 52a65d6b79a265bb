import Channels
import CloudEvents
import Manifest
import Testing

@Suite struct ChannelSpecTests {
    private func read(_ value: JSONValue) throws -> ChannelSpec {
        var reader = try DocumentReader(value, path: "channels.storage")
        let spec = try ChannelSpec(&reader)
        try reader.finish()
        return spec
    }

    @Test func `nothing said means the defaults`() throws {
        let spec = try read(.null)
        #expect(spec == ChannelSpec())
        #expect(spec.partitions == 1 && spec.segmentBytes == 128 << 20 && spec.duplicateWindow == 262_144)
        #expect(spec.retentionAge == nil && spec.retentionBytes == nil)
    }

    @Test func `retention is an age or an object`() throws {
        #expect(try read(["retention": "30d", "partitions": 4]).retentionAge == 30 * 86_400_000)
        let both = try read(["retention": ["age": "2h", "bytes": "10GB"], "segment": "64MiB", "duplicateWindow": 0])
        #expect(both.retentionAge == 7_200_000 && both.retentionBytes == 10_000_000_000)
        #expect(both.segmentBytes == 64 << 20 && both.duplicateWindow == 0)
    }

    @Test func `what is written out is read back the same`() throws {
        for value: JSONValue in [.null, ["retention": "30d"], ["retention": ["bytes": "1TB"], "partitions": 7]] {
            let spec = try read(value)
            #expect(try read(spec.document) == spec)
        }
    }

    @Test(
        arguments: [
            (["partitions": 0], "channels.storage.partitions", "0 is out of range: 1 to 1024 is allowed"),
            (
                ["retention": ["ages": "1d"]], "channels.storage.retention.ages",
                "this key is unknown: did you mean \"age\"?"
            ),
            (
                ["retention": "soon"], "channels.storage.retention",
                "\"soon\" is no length of time: write 300ms, 30s, 5m, 1h30m or 7d"
            ),
            (["retention": "1ms"], "channels.storage.retention", "an age of at least 1s is needed"),
            (["retention": ["bytes": 5]], "channels.storage.retention.bytes", "at least 1MiB is needed"),
            (["segment": "2GiB"], "channels.storage.segment", "2GiB is out of range: 1MiB to 1GiB is allowed"),
            (["segments": "2MiB"], "channels.storage.segments", "this key is unknown: did you mean \"segment\"?"),
        ] as [(JSONValue, String, String)])
    func `what is wrong is said with its place`(_ value: JSONValue, _ path: String, _ message: String) {
        #expect { _ = try read(value) } throws: {
            ($0 as? DocumentError) == DocumentError(path: path, message: message)
        }
    }
}
