import CloudEvents
import EventSources
import Outbound
import StorageEvents
import TestSupport
import Testing

@Suite("Webhooks")
struct WebhookTests {
    private let channel = MemoryChannel()
    private let deadLetters = MemoryChannel("storage.dead")
    private let report = SourceReport()
    private let id = SourceID(namespace: "default", name: "hook")

    private func take(
        _ format: WebhookSpec.Format, _ headers: [(name: String, value: String)], _ body: String,
        token: String? = nil, secret: String = "It's a Secret to Everybody"
    ) async throws -> WebhookIntake.Outcome {
        let secrets = SecretStore { (namespace, name) throws(SecretError) in
            guard name == "hook", namespace == "default" else { throw SecretError(.missing, "there is no such secret") }
            return Array(secret.utf8)
        }
        return try await WebhookIntake(secrets: secrets, now: { 0 }).take(
            WebhookRequest(headers: headers, token: token, body: Array(body.utf8)), id,
            WebhookSpec(format: format, secret: SecretReference("hook")),
            SourceOutput(channel: channel, deadLetters: deadLetters, report: report))
    }

    /// The values of GitHub's own example ("Validating webhook deliveries").
    private static let signature =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    @Test("GitHub's signature is checked: its example passes, another body does not")
    func signatures() async throws {
        let headers = [("X-Hub-Signature-256", Self.signature), ("X-GitHub-Event", "push")].map {
            (name: $0.0, value: $0.1)
        }
        // It passes, and is no JSON: kept as what could not be read.
        #expect(try await take(.github, headers, "Hello, World!") == .init(events: 0, unreadable: 1))
        #expect(deadLetters.events.first?["reason"] == .string("the body is no JSON object"))
        for (headers, body) in [
            (headers, "Hello, World?"), ([headers[1]], "Hello, World!"),
            ([(name: "X-Hub-Signature-256", value: "sha256=75"), headers[1]], "Hello, World!"),
            (
                [(name: "X-Hub-Signature-256", value: "sha1=" + Self.signature.dropFirst(7)), headers[1]],
                "Hello, World!"
            ),
        ] {
            await #expect(throws: WebhookError.self) { try await take(.github, headers, body) }
        }
        #expect(channel.count == 0 && deadLetters.count == 1)
    }

    @Test("GitLab's token and documents")
    func gitlab() async throws {
        let push =
            #"{"object_kind":"push","ref":"refs/heads/main","project":{"web_url":"https://gitlab.example.org/a/b"},"#
            + #""commits":[{"timestamp":"2026-05-20T12:00:00+02:00"}]}"#
        let merge =
            #"{"object_kind":"merge_request","project":{"web_url":"https://gitlab.example.org/a/b"},"#
            + #""object_attributes":{"iid":7,"action":"open","updated_at":"2026-05-20T12:00:00Z"}}"#
        let token = (name: "x-gitlab-token", value: "word")
        #expect(try await take(.gitlab, [token], push, secret: "word").events == 1)
        #expect(
            try await take(.gitlab, [token, (name: "Idempotency-Key", value: "k1")], merge, secret: "word").events == 1)
        // The same delivery once more.
        #expect(
            try await take(.gitlab, [token, (name: "Idempotency-Key", value: "k1")], merge, secret: "word").events == 1)
        await #expect(throws: WebhookError.self) { try await take(.gitlab, [token], push, secret: "words") }
        let events = channel.events
        #expect(events.map(\.type) == ["com.gitlab.push", "com.gitlab.merge_request.open"])
        #expect(events.map(\.subject) == ["refs/heads/main", "merge_requests/7"])
        #expect(events.allSatisfy { $0.source == "https://gitlab.example.org/a/b" && $0.time != nil })
        #expect(events.last?.id == "k1")
    }

    private static let s3 = #"""
        {"EventName":"s3:ObjectCreated:Put","Key":"raw/a.h5","Records":[{"eventVersion":"2.0","eventSource":"minio:s3",
        "eventTime":"2026-05-20T12:00:00.000Z","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"raw"},
        "object":{"key":"run%2Fa+b.h5","size":5,"eTag":"e","sequencer":"01"}}}]}
        """#

    @Test(
        "S3 notifications by each way to show a secret",
        arguments: [
            ("Bearer word", nil), ("word", nil), ("Basic YW55OndvcmQ=", nil), (nil, "word"),
        ] as [(String?, String?)])
    func notifications(_ authorization: String?, _ token: String?) async throws {
        let headers = authorization.map { [(name: "Authorization", value: $0)] } ?? []
        #expect(
            try await take(.records(.s3), headers, Self.s3, token: token, secret: "word")
                == .init(events: 1, unreadable: 0))
        #expect(channel.events.first?.type == "dev.weir.file.written" && channel.events.first?.subject == "run/a b.h5")
        await #expect(throws: WebhookError.self) {
            try await take(.records(.s3), headers, Self.s3, token: token, secret: "other")
        }
    }

    @Test("a test event is taken quietly; what is no notification is set aside whole")
    func others() async throws {
        let headers = [(name: "Authorization", value: "Bearer word")]
        let test = #"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"raw"}"#
        #expect(try await take(.records(.s3), headers, test, secret: "word") == .init(events: 0, unreadable: 0))
        #expect(try await take(.records(.s3), headers, "nothing", secret: "word").unreadable == 1)
        #expect(try await take(.records(.s3), headers, "", secret: "word").unreadable == 1)
        #expect(deadLetters.count == 2 && channel.count == 0)
    }

    @Test("nothing that is sent can break it")
    func fuzz() async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("webhook fuzz seed \(seed)")
        var mutator = Mutator(seed: seed)
        let corpus = [
            Array(Self.s3.utf8), Array(#"{"object_kind":"push","ref":"r","commits":[{"timestamp":"x"}]}"#.utf8),
        ]
        for number in 0..<2_000 {
            let body = String(decoding: mutator.mutate(corpus[number % 2], corpus: corpus), as: UTF8.self)
            if number % 2 == 0 {
                _ = try await take(.records(.s3), [(name: "Authorization", value: "word")], body, secret: "word")
            } else {
                _ = try await take(.gitlab, [(name: "X-Gitlab-Token", value: "word")], body, secret: "word")
            }
        }
    }
}
