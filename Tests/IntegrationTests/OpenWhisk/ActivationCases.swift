import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section E: activations.
@Suite("OpenWhisk: activations", .fewAtATime) struct WhiskActivationCases {
    @Test("OW-35 list and summary") func list() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hello")
        var ids: [String] = []
        for _ in 0..<3 {
            let answer = try await tenant.call("POST", "actions/hello?blocking=true", [:])
            ids.append(answer.json["activationId"]?.string ?? "")
        }
        let list = try await tenant.call("GET", "activations").json
        #expect((list.array ?? []).map { $0["activationId"]?.string ?? "" } == ids.reversed())
        for item in list.array ?? [] {
            for name in [
                "activationId", "namespace", "name", "version", "publish", "annotations", "start", "end", "duration",
                "statusCode",
            ] {
                #expect(item[name] != nil, "\(name)")
            }
            #expect(item["response"] == nil && item["logs"] == nil && item["statusCode"] == 0)
        }
        let last = try await tenant.call("GET", "activations?limit=1").json
        #expect(last.array?.map { $0["activationId"] } == [.string(ids[2])])
        let others = try await tenant.call("GET", "activations?skip=1").json
        #expect(others.array?.map { $0["activationId"] } == [.string(ids[1]), .string(ids[0])])
        let full = try await tenant.call("GET", "activations?docs=true&limit=0").json
        #expect(full.array?.count == 3)
        #expect(full.array?.allSatisfy { $0["response"]?["success"] == true && $0["logs"]?.array?.count == 2 } ?? false)
        let (newest, oldest) = (list.array?.first?["start"]?.integer ?? 0, list.array?.last?["start"]?.integer ?? 0)
        #expect(try await tenant.call("GET", "activations?since=\(newest)").json.array?.isEmpty == false)
        #expect(try await tenant.call("GET", "activations?upto=\(oldest)").json.array?.isEmpty == false)
        #expect(try await tenant.call("GET", "activations?since=\(newest + 1)").json == [])
        #expect(try await tenant.call("GET", "activations?upto=\(oldest - 1)").json == [])
    }

    @Test("OW-36 id form") func idForm() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let hex = String(repeating: "0a", count: 16)
        expectError(
            try await tenant.call("GET", "activations/\(hex.dropLast())"), 400,
            "Activation id length is 31 but must be 32.")
        expectError(
            try await tenant.call("GET", "activations/\(hex)abc"), 400, "Activation id length is 35 but must be 32.")
        expectError(
            try await tenant.call("GET", "activations/\(hex.dropLast())z"), 400, "The activation id is not valid.")
        expectError(try await tenant.call("GET", "activations/\(hex)"), 404)
    }

    @Test("OW-37 parts") func parts() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("hello")
        let answer = try await tenant.call("POST", "actions/hello?blocking=true", ["name": "x"])
        let id = try #require(answer.json["activationId"]?.string)
        let record = try await tenant.record(id)
        #expect(try await tenant.call("GET", "activations/\(id)/result").json == record["response"])
        let logs = try await tenant.call("GET", "activations/\(id)/logs").json
        #expect(logs["logs"] == record["logs"])
        let lines = (logs["logs"]?.array ?? []).compactMap(\.string)
        #expect(lines.count == 2)
        for (stream, text) in [("stdout", "stdout: hello stdout"), ("stderr", "stderr: hello stderr")] {
            let line = try #require(lines.first { $0.hasSuffix(text) }, "\(lines)")
            // The name of the stream begins in column 32, counted from 1.
            #expect(String(line.dropFirst(31)).hasPrefix(stream), "\(line)")
            #expect(EventTime(String(line.prefix { $0 != " " })) != nil, "\(line)")
        }
        expectError(try await tenant.call("GET", "activations/\(id)/bogus"), 404)
        for method in ["PUT", "POST", "DELETE"] {
            expectError(try await tenant.call(method, "activations/\(id)", [:]), 405)
        }
        let other = try await WhiskSite.shared.tenant("other")
        expectError(try await other.call("GET", "activations/\(id)"), 404)
    }

    @Test("OW-38 filters") func filters() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        try await tenant.action("echo")
        _ = try await tenant.result("echo")
        for name in ["abc", "abc/xyz", ""] {
            #expect(try await tenant.call("GET", "activations?name=\(name)").status == 200)
        }
        #expect(try await tenant.call("GET", "activations?name=echo").json.array?.count == 1)
        #expect(try await tenant.call("GET", "activations?name=abc").json == [])
        expectError(
            try await tenant.call("GET", "activations?name=abc/xyz/123"), 400,
            containing: "Parameter may be a 'simple' name or 'package-name/simple' name: abc/xyz/123")
        expectError(
            try await tenant.call("GET", "activations?since=xxx"), 400,
            containing: "Parameter is not a valid value for epoch seconds: xxx")
        expectError(
            try await tenant.call("GET", "activations?docs=true&count=true"), 400,
            "The parameter 'docs' is not permitted with 'count'.")
        #expect(try await tenant.call("GET", "activations?count=true").json == ["activations": 1])
    }
}
