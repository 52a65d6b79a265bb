import CloudEvents
import EventSources
import Outbound
import StorageEvents
import TestSupport
import Testing

@Suite("Listed buckets", .timeLimit(.minutes(2)))
struct S3ListingTests {
    @Test("signatures are those of Amazon's own examples")
    func signatures() throws {
        let signature = S3Signature(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1")
        let time = try #require(EventTime("2013-05-24T00:00:00Z")).nanoseconds
        for (query, wanted) in [
            ([("lifecycle", "")], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ([("prefix", "J"), ("max-keys", "2")], "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let headers = signature.headers(
                host: "examplebucket.s3.amazonaws.com", path: "/", query: query.map { (name: $0.0, value: $0.1) },
                time: time)
            #expect(headers.first?.value.hasSuffix("Signature=" + wanted) == true, "\(headers)")
        }
    }

    private static let page = """
        <?xml version="1.0" encoding="UTF-8"?>
        <!-- a listing --><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>raw</Name>
        <IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>
        <Contents><Key>run+1/a%26b.h5</Key><LastModified>2026-05-20T12:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag>
        <Size>5</Size><Owner/></Contents><s3:Contents x='>'><Key><![CDATA[b]]></Key>
        <LastModified>2026-05-20T12:00:01Z</LastModified><ETag>"e&#50;"</ETag></s3:Contents>
        <EncodingType>url</EncodingType></ListBucketResult>
        """

    @Test("pages are read")
    func pages() throws {
        let page = try ListingPage(Array(Self.page.utf8))
        #expect(page.objects.map(\.key) == ["run 1/a&b.h5", "b"])
        #expect(page.objects.map(\.etag) == ["e1", "e2"] && page.objects.map(\.size) == [5, nil])
        #expect(page.next == "a&b")
        for text in [
            "", "{}", "<html></html>", "<a><b></a></b>", "<ListBucketResult>", "<!DOCTYPE x><ListBucketResult/>",
        ] {
            #expect(throws: ListingError.self) { try ListingPage(Array(text.utf8)) }
        }
    }

    @Test("nothing that answers can break it")
    func fuzz() {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("listing fuzz seed \(seed)")
        var mutator = Mutator(seed: seed)
        let corpus = [Array(Self.page.utf8)]
        for _ in 0..<5_000 { _ = try? ListingPage(mutator.mutate(corpus[0], corpus: corpus)) }
    }

    @Test(
        "a real store: what is new, another or gone is told once, over a restart",
        .enabled(if: ObjectStoreServer.unavailable == nil, "\(ObjectStoreServer.unavailable ?? "")"))
    func listing() async throws {
        let server = try await ObjectStoreServer()
        defer { server.stop() }
        let client = try WebClient()
        func send(_ method: String, _ path: String, _ body: String? = nil) async throws {
            let signed = S3Signature(accessKey: "t", secretKey: "t", region: "us-east-1").headers(
                host: "127.0.0.1:\(server.port)", path: path, query: [], time: 0)
            let answer = try await client.send(
                WebRequest(method, server.url + path, headers: signed, body: body.map { Array($0.utf8) }))
            #expect((200..<300).contains(answer.status), "\(method) \(path): \(answer.status)")
        }
        try await send("PUT", "/raw")
        try await send("PUT", "/raw/old.h5", "1")
        let (channel, store) = (MemoryChannel(), MemoryStore())
        func following(_ body: (SourceReport) async throws -> Void) async throws {
            var spec = S3ListingSpec(url: server.url, bucket: "raw")
            spec.keys = .init(access: SecretReference("a"), secret: SecretReference("s"))
            spec.filter = NameFilter(exclude: [Glob("*.tmp")])
            spec.system = "s3.example.org"
            let report = SourceReport()
            let source = try S3ListingSource(
                id: SourceID(namespace: "default", name: "raw"), spec: spec,
                output: SourceOutput(channel: channel, deadLetters: MemoryChannel("dead"), report: report),
                store: store, secrets: SecretStore { (_, _) throws(SecretError) in Array("t".utf8) }
            ) { try await Task.sleep(for: .nanoseconds(min($0, 5_000_000))) }
            let task = Task { try await source.run() }
            defer { task.cancel() }
            try await eventually("it was listed") { report.snapshot.position != nil }
            try await body(report)
            task.cancel()
            _ = await task.result
        }
        try await following { _ in
            try await send("PUT", "/raw/run%201/a%26b.h5", "one")
            try await send("PUT", "/raw/x.tmp", "no")
            try await eventually("the new one is told") { channel.count == 1 }
        }
        try await send("PUT", "/raw/run%201/a%26b.h5", "other")
        try await send("DELETE", "/raw/old.h5")
        // More than one page.
        for number in 0..<1_005 { try await send("PUT", "/raw/many/\(number)", "\(number)") }
        try await following { _ in try await eventually("all is told") { channel.count == 1_008 } }
        let events = channel.events
        #expect(events.count { $0.type == "dev.weir.file.deleted" && $0.subject == "old.h5" } == 1)
        #expect(events.count { $0.subject == "run 1/a&b.h5" && $0.type == "dev.weir.file.written" } == 2)
        #expect(events.allSatisfy { $0.source == "s3://s3.example.org/raw" })
        #expect(events.first?["filesize"] == .string("3"))
        await client.shutdown()
    }
}
