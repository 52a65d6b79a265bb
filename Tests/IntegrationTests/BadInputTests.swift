import CloudEvents
import Foundation
import TestSupport
import Testing

/// What is wrong is refused with a problem that says where and why, and nothing that was accepted is lost by it.
@Suite(.fewAtATime) struct BadInputTests {
    private let folder: TemporaryDirectory
    private let server: ServerProcess
    private var client: TestClient { server.client }

    init() async throws {
        folder = try TemporaryDirectory("weir-bad-input")
        server = try await ServerProcess(data: folder.file("data"), arguments: ["--maximum-body", "256KiB"])
        try await client.make("channels/in", [:])
        try await client.publish("in", [TestClient.event("kept")])
    }

    /// Posts so many bytes.
    private static let sender = """
        import http.client, json, sys, urllib.parse
        url, key, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
        connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=30)
        connection.request("POST", "/v1/channels/in/events", body=b"x" * size, headers={
            "Authorization": "Bearer " + key, "Content-Type": "application/cloudevents+json"})
        answer = connection.getresponse()
        print(json.dumps({"status": answer.status, "problem": json.loads(answer.read())}))
        """

    @Test func structuredEventsThatAreNoneAreRefused() async throws {
        let good = "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s:1\",\"type\":\"t\""
        let cases: [(body: String, code: String, words: [String])] = [
            ("{\"specversion\":\"1.0\",\"source\":\"s:1\",\"type\":\"t\"}", "invalid-event", ["id"]),
            ("{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\"}", "invalid-event", ["source"]),
            ("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s:1\"}", "invalid-event", ["type"]),
            ("{\"id\":\"1\",\"source\":\"s:1\",\"type\":\"t\"}", "invalid-event", ["specversion"]),
            (
                "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"s:1\",\"type\":\"t\"}", "invalid-event",
                ["specversion", "0.3"]
            ),
            ("{\"specversion\":\"1.0\",\"id\":7,\"source\":\"s:1\",\"type\":\"t\"}", "invalid-event", ["id"]),
            ("{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s:1\",\"type\":\"t\"}", "invalid-event", ["id"]),
            ("{\(good),\"time\":\"yesterday\"}", "invalid-event", ["time"]),
            ("{\(good),\"Pool\":\"x\"}", "invalid-event", ["Pool"]),
            ("{\(good),\"pool\":{\"a\":1}}", "invalid-event", ["pool"]),
            ("{\(good),\"size\":1.5}", "invalid-event", ["size"]),
            ("{\(good),\"data\":1,\"data_base64\":\"AA==\"}", "invalid-event", ["data"]),
            ("{\(good),\"data_base64\":\"A\"}", "invalid-event", ["data_base64"]),
            ("{\(good),", "invalid-json", ["line"]),
            ("[]", "invalid-event", []),
            ("", "invalid-json", []),
            ("\u{0}", "invalid-json", []),
        ]
        for (body, code, words) in cases {
            let answer = try await client.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents+json", body: Array(body.utf8))
            expectProblem(answer, 400, answer.json["code"]?.string == "invalid-json" ? nil : code, saying: words, body)
        }
        #expect(try await client.ids("in") == ["kept"])
    }

    @Test func binaryEventsThatAreNoneAreRefused() async throws {
        let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s:1"), ("ce-type", "t")]
        for missing in 1..<4 {
            var headers = good
            let name = headers.remove(at: missing).0
            let answer = try await client.call("POST", "/v1/channels/in/events", headers: headers, body: [])
            expectProblem(answer, 400, "invalid-event", saying: [String(name.dropFirst(3))], name)
        }
        for (name, value) in [
            ("ce-time", "soon"), ("ce-specversion", "2.0"), ("ce-pool", "%ff%fe"), ("ce-Bad_Name", "x"),
        ] {
            let headers = good.filter { $0.0 != name } + [(name, value)]
            let answer = try await client.call("POST", "/v1/channels/in/events", headers: headers, body: [])
            expectProblem(answer, 400, "invalid-event", saying: [String(name.dropFirst(3)).lowercased()], name)
        }
        for type in ["text/plain", "application/cloudevents+avro", "application/xml"] {
            let answer = try await client.call("POST", "/v1/channels/in/events", type: type, body: [0x31])
            #expect([400, 415].contains(answer.status), "\(type): \(answer.text)")
            expectProblem(answer, answer.status, saying: [], type)
        }
        let nowhere = try await client.call("POST", "/v1/channels/nowhere/events", headers: good, body: [])
        expectProblem(nowhere, 404, "not-found", saying: ["nowhere"], "a channel that is not there")
        #expect(try await client.ids("in") == ["kept"])
    }

    @Test func ofABatchWithOneBadEventNothingIsStored() async throws {
        let bad: JSONValue = ["specversion": "1.0", "id": "b", "source": "s:1"]
        let batches: [(JSONValue, [String])] = [
            ([TestClient.event("a"), bad, TestClient.event("c")], ["\"index\":1", "type"]),
            ([TestClient.event("a"), "no event"], ["\"index\":1"]),
            (["specversion": "1.0"], []),
        ]
        for (batch, words) in batches {
            let answer = try await client.call(
                "POST", "/v1/channels/in/events", type: "application/cloudevents-batch+json", body: batch.encoded())
            expectProblem(answer, 400, saying: words, batch.text)
        }
        #expect(try await client.ids("in") == ["kept"])
    }

    @Test func documentsSayWhereTheyAreWrong() async throws {
        func subscription(_ more: JSONObject) -> JSONValue {
            var document: JSONObject = ["channel": "in", "sink": "channel:in"]
            for member in more.members { document[member.name] = member.value }
            return .object(document)
        }
        let code = Base64Text.encode(Array("def main(args):\n    return args\n".utf8))
        func function(_ more: JSONObject) -> JSONValue {
            var document: JSONObject = ["code": ["filename": "f.py", "base64": .string(code)]]
            for member in more.members { document[member.name] = member.value }
            return .object(document)
        }
        let cases: [(path: String, document: JSONValue, words: [String])] = [
            ("subscriptions/x", subscription(["filters": [["exat": ["type": "t"]]]]), ["filters[0]", "exact"]),
            ("subscriptions/x", subscription(["filters": ["exact": ["type": "t"]]]), ["filters"]),
            ("subscriptions/x", subscription(["filters": [["exact": [:]]]]), ["filters[0]"]),
            (
                "subscriptions/x", subscription(["filters": [["all": [["any": [["prefix": 3]]]]]]]),
                ["filters[0].all[0]"]
            ),
            ("subscriptions/x", subscription(["filters": [["sql": "size >"]]]), ["filters[0].sql", "column"]),
            ("subscriptions/x", subscription(["filters": [["sql": "a = 'b"]]]), ["filters[0].sql", "column"]),
            ("subscriptions/x", subscription(["chanel": "in"]), ["chanel", "did you mean \\\"channel\\\""]),
            ("subscriptions/x", ["sink": "channel:in"], ["channel", "required"]),
            ("subscriptions/x", subscription(["sink": "funktion:x"]), ["sink", "funktion:x"]),
            ("subscriptions/x", subscription(["delivery": ["retry": ["attempts": 0]]]), ["delivery.retry.attempts"]),
            (
                "subscriptions/x", subscription(["delivery": ["retry": ["backoff": "5 parsecs"]]]),
                ["delivery.retry.backoff"]
            ),
            ("subscriptions/x", subscription(["delivery": ["timeout": "-1s"]]), ["delivery.timeout"]),
            ("subscriptions/x", subscription(["delivery": ["batch": ["size": 100_000]]]), ["delivery.batch.size"]),
            ("subscriptions/x", subscription(["delivery": ["order": "keys"]]), ["delivery.order", "key"]),
            ("subscriptions/x", subscription(["delivery": ["start": "noon"]]), ["delivery.start"]),
            ("channels/x", ["partitions": 0], ["partitions"]),
            ("channels/x", ["partitions": "many"], ["partitions"]),
            ("channels/x", ["retention": "7 lightyears"], ["retention"]),
            ("channels/x", ["retension": "7d"], ["retension", "retention"]),
            (
                "sources/x", ["kind": "dcache-biling", "directory": "/tmp", "channel": "in"],
                ["kind", "dcache-billing"]
            ),
            ("sources/x", ["kind": "folder", "directory": "tmp", "channel": "in"], ["directory", "absolute"]),
            ("sources/x", ["kind": "folder", "directory": "/tmp/../etc", "channel": "in"], ["directory", ".."]),
            ("functions/x", function(["memory": "lots"]), ["memory"]),
            ("functions/x", function(["memory": "1kB"]), ["memory", "16"]),
            ("functions/x", function(["timeout": "0s"]), ["timeout"]),
            ("functions/x", function(["runtime": "cobol"]), ["runtime", "python"]),
            ("functions/x", function(["handler": "../x.py:main"]), ["handler"]),
            ("functions/x", function(["environment": ["1A": "x"]]), ["environment"]),
            ("functions/x", ["code": ["filename": "f.py", "base64": "!"]], ["code.base64"]),
            ("functions/x", ["code": ["filename": "../f.py", "base64": .string(code)]], ["code.filename"]),
            ("functions/x", ["timeout": "1s"], ["code"]),
            ("functions/x", TestClient.upload("f.py", []), []),
            ("channels/Bad%20Name", [:], ["name"]),
            ("channels/..%2Fup", [:], []),
        ]
        for (path, document, words) in cases {
            let answer = try await client.put("/v1/\(path)", document)
            let status = path.contains("%2F") ? answer.status : 422
            #expect((400..<500).contains(answer.status), "\(path) \(document.text): \(answer.text)")
            expectProblem(answer, status, saying: words, "\(path) \(document.text)")
        }
        for kind in ["subscriptions", "sources", "functions"] {
            let listed = try await client.call("GET", "/v1/\(kind)").json
            #expect(listed["items"]?.array?.isEmpty == true, "\(kind): \(listed.text)")
        }
        for body in ["{", "[]", "7", "", "{\"a\":1,\"a\":2}", String(repeating: "[", count: 5_000)] {
            let answer = try await client.call("PUT", "/v1/channels/x", body: Array(body.utf8))
            #expect((400..<500).contains(answer.status), "\(body.prefix(20)): \(answer.text)")
            expectProblem(answer, answer.status, saying: [], "\(body.prefix(20))")
        }
        #expect(try await client.ids("in") == ["kept"])
    }

    @Test func queriesSayWhichParameterIsWrong() async throws {
        let cases: [(path: String, words: [String])] = [
            ("channels/in/events?lmit=3", ["lmit", "limit"]), ("channels/in/events?limit=0", ["limit"]),
            ("channels/in/events?limit=many", ["limit"]), ("channels/in/events?from=noon", ["from"]),
            ("channels/in/events?cursor=zzz", ["cursor"]), ("channels/in/events?sql=size%20%3E", ["sql", "column"]),
            ("channels/in/events?filters=%7B", ["filters"]),
            ("channels/in/events?filters=%5B%7B%22exat%22:1%7D%5D", ["exact"]),
            ("channels/in/tail?sql=%28", ["sql"]), ("channels/in/events?partition=-1", ["partition"]),
            ("activations?status=good", ["status", "success"]), ("activations?since=never", ["since"]),
            ("activations?cursor=nonsense", ["cursor"]), ("channels?cursor=%FF", []),
        ]
        for (path, words) in cases {
            let answer = try await client.call("GET", "/v1/\(path)")
            expectProblem(answer, 400, saying: words, path)
        }
    }

    @Test func bodiesThatAreTooLargeAreRefusedAndTheServerGoesOn() async throws {
        for size in [300 << 10, 5 << 20, 40 << 20] {
            // A client that sends all before it listens: it must get the answer and not a reset connection.
            let asked = try await Command.python(Self.sender, client.url, client.key ?? "", "\(size)")
            #expect(asked.json["status"]?.integer == 413, "\(size) bytes: \(asked.text) \(asked.errors)")
            #expect(asked.json["problem"]?["code"] == "too-large", "\(asked.text)")
            #expect(asked.json["problem"]?["detail"]?.string?.contains("256KiB") == true, "\(asked.text)")
            #expect(try await client.call("GET", "/v1/channels/in").status == 200)
        }
        let document = try await client.put(
            "/v1/channels/x", ["description": .string(String(repeating: "x", count: 2 << 20))])
        expectProblem(document, 413, "too-large", "a document")
        let path = try await client.call("GET", "/v1/channels/\(String(repeating: "x", count: 10_000))")
        #expect((400..<500).contains(path.status), "\(path.text)")
        #expect(try await client.ids("in") == ["kept"])
        try await client.publish("in", [TestClient.event("after")])
        #expect(try await client.ids("in") == ["after", "kept"])
    }
}
