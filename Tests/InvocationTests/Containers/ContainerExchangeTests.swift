import CloudEvents
import Foundation
import Functions
import TestSupport
import Testing

@testable import Invocation

@Suite struct ContainerExchangeTests {
    private func version(
        _ exchange: FunctionVersion.Container.Exchange, handler: String? = nil, parameters: JSONObject = [:],
        code: String = ""
    ) -> FunctionVersion {
        FunctionVersion(
            namespace: "ns", name: "pack/f", digest: "abc", runtime: .container, entry: "", handler: handler,
            codeDirectory: code, parameters: parameters,
            container: .init(repository: "h.org/x", digest: "sha256:0", exchange: exchange, port: 8080))
    }

    private func openWhisk(_ version: FunctionVersion, _ code: ActionCode? = nil) -> OpenWhiskExchange {
        OpenWhiskExchange(version: version, code: code, answerLimit: 100)
    }

    private func response(_ status: Int, _ body: String, type: String? = nil, length: Int? = nil) -> ContainerResponse {
        let headers = type.map { [(name: "Content-Type", value: $0)] } ?? []
        return ContainerResponse(
            status: status, headers: headers, body: Array(body.utf8), length: length ?? body.utf8.count)
    }

    private func json(_ bytes: [UInt8]) throws -> JSONValue { try JSONValue(parsing: bytes) }

    private static let event = CloudEvent(
        id: "e-1", source: "test:s", type: "test.t", subject: "/a", datacontenttype: "application/json",
        data: .json(Array(#"{"x":1}"#.utf8)))

    @Test func initAndRunSayWhatOpenWhiskSays() throws {
        let exchange = openWhisk(version(.openWhisk, handler: "go", parameters: ["p": 1, "x": 0]))
        let first = try #require(exchange.introduction(deadline: 5, id: "i"))
        #expect(first.path == "/init")
        let value = try json(first.body)["value"]
        #expect(value?["name"]?.string == "f" && value?["main"]?.string == "go" && value?["binary"]?.bool == false)
        #expect(value?["code"] == nil, "an image without code is sent none")
        #expect(
            value?["env"]?["__OW_ACTION_NAME"]?.string == "/ns/pack/f" && value?["env"]?["__OW_DEADLINE"]?.string == "5"
        )
        let run = exchange.request(
            FunctionCall(input: .arguments(["x": 7, "y": .null])), id: "a1", deadline: 1_754_400_060_000)
        #expect(run.path == "/run")
        let body = try json(run.body)
        #expect(body["value"]?.text == #"{"p":1,"x":7,"y":null}"#)
        #expect(body["activation_id"]?.string == "a1" && body["deadline"]?.string == "1754400060000")
        #expect(body["action_name"]?.string == "/ns/pack/f" && body["namespace"]?.string == "ns")
        let event = exchange.request(FunctionCall(input: .event(EventRecord(Self.event))), id: "a2", deadline: 0)
        #expect(try json(event.body)["value"]?["data"]?["x"]?.integer == 1)
        #expect(try json(event.body)["value"]?["id"]?.string == "e-1" && json(event.body)["value"]?["p"]?.integer == 1)
    }

    @Test func answersOfARunMeanWhatTheyMeanInOpenWhisk() throws {
        let exchange = openWhisk(version(.openWhisk))
        let cases: [(ContainerResponse, Activation.Status, String, Bool)] = [
            (response(200, #"{"a":1}"#), .success, #"{"a":1}"#, true),
            (response(200, "[1,2]"), .success, "[1,2]", true),
            (response(200, #"{"error":"no"}"#), .applicationError, #"{"error":"no"}"#, true),
            (
                response(200, "7"), .developerError,
                #"{"error":"The action did not produce a valid JSON or JSON Array response: 7"}"#, false
            ),
            (
                response(200, ""), .developerError,
                #"{"error":"The action did not produce a valid JSON or JSON Array response."}"#, false
            ),
            (response(502, #"{"error":{"why":"x"}}"#), .developerError, #"{"error":{"why":"x"}}"#, false),
            (
                response(500, "oops"), .developerError,
                #"{"error":"The action did not produce a valid JSON or JSON Array response: oops"}"#, false
            ),
            (
                response(200, "{\"a", length: 3_000), .applicationError,
                #"{"error":"The action produced a response that exceeded the allowed length: 3000 > 100 bytes. The truncated response was: {\"a"}"#,
                true
            ),
        ]
        for (response, status, result, isSound) in cases {
            let (answer, sound) = exchange.answer(response, runNanoseconds: 5)
            #expect(answer.status == status && sound == isSound, "\(result)")
            #expect(String(decoding: answer.result, as: UTF8.self) == result)
        }
        let published = exchange.answer(
            response(200, #"{"specversion":"1.0","type":"t","data":{"a":1}}"#), runNanoseconds: 0)
        #expect(published.answer.published.first?.type == "t", "an event that is returned is one")
    }

    @Test func aRefusedInitSaysWhy() throws {
        let exchange = openWhisk(version(.openWhisk))
        #expect(exchange.failure(ofIntroduction: response(200, "whatever")) == nil)
        let said = try #require(exchange.failure(ofIntroduction: response(502, #"{"error":"bad code"}"#)))
        #expect(
            said.status == .developerError && String(decoding: said.result, as: UTF8.self) == #"{"error":"bad code"}"#)
        let unsaid = try #require(exchange.failure(ofIntroduction: response(500, "trace")))
        #expect(
            String(decoding: unsaid.result, as: UTF8.self)
                == #"{"error":"The action failed during initialization: trace"}"#)
    }

    @Test func codeTravelsAsTextOrArchive() async throws {
        let folder = try TemporaryDirectory()
        func code() throws -> ActionCode? { try ActionCode(version(.openWhisk, code: folder.path)) }
        try Data("def main(a): return a".utf8).write(to: URL(fileURLWithPath: folder.file("main")))
        #expect(try code()?.text == "def main(a): return a" && code()?.isBinary == false)
        try Data([0x7F, 0x45, 0xFF]).write(to: URL(fileURLWithPath: folder.file("main")))
        #expect(try code()?.isBinary == true && code()?.text == Base64.encode([0x7F, 0x45, 0xFF]))
        try FileManager.default.createDirectory(atPath: folder.file("lib"), withIntermediateDirectories: true)
        try Data("x = 1".utf8).write(to: URL(fileURLWithPath: folder.file("lib/é.py")))
        let archive = try #require(try code())
        #expect(archive.isBinary)
        // What is written is read back by the reader of uploads.
        let bytes = try #require(Base64.decode(archive.text.utf8))
        let store = try CodeStore(path: folder.file("store"))
        let stored = try await store.put(bytes, filename: "a.zip", isProgram: false)
        #expect(stored.files == ["lib/é.py", "main"])
        #expect(try ActionCode(version(.openWhisk, code: "")) == nil)
    }

    @Test func anEventTravelsInBinaryMode() throws {
        let exchange = CloudEventsExchange(version: version(.cloudEvents, parameters: ["p": 1]), answerLimit: 100)
        #expect(exchange.introduction(deadline: 0, id: "") == nil)
        let call = FunctionCall(input: .event(EventRecord(Self.event)), idempotencyKey: "k")
        let request = exchange.request(call, id: "a1", deadline: 9)
        func header(_ name: String) -> String? { request.headers.first { $0.name.lowercased() == name }?.value }
        #expect(header("ce-id") == "e-1" && header("ce-type") == "test.t" && header("ce-specversion") == "1.0")
        #expect(header("content-type") == "application/json" && header("idempotency-key") == "k")
        #expect(header("weir-activation-id") == "a1" && header("weir-deadline") == "9" && request.path == "/")
        #expect(String(decoding: request.body, as: UTF8.self) == #"{"x":1}"#)
        let asked = exchange.request(FunctionCall(input: .arguments(["q": 2])), id: "a2", deadline: 9)
        #expect(asked.headers.contains { $0.name == "ce-type" && $0.value == CloudEventsExchange.invocationType })
        #expect(String(decoding: asked.body, as: UTF8.self) == #"{"p":1,"q":2}"#)
    }

    @Test func answersToEventsAreRepliesResultsOrNothing() throws {
        let exchange = CloudEventsExchange(version: version(.cloudEvents), answerLimit: 100)
        func answer(_ response: ContainerResponse) -> Answer { exchange.answer(response, runNanoseconds: 0).answer }
        #expect(answer(response(204, "")).result == Answer.null)
        #expect(String(decoding: answer(response(200, "[1]", type: "application/json")).result, as: UTF8.self) == "[1]")
        #expect(String(decoding: answer(response(200, #"{"a":1}"#)).result, as: UTF8.self) == #"{"a":1}"#)
        #expect(answer(response(200, #"{"error":"x"}"#)).status == .applicationError)
        #expect(
            String(decoding: answer(response(201, "hé", type: "text/plain")).result, as: UTF8.self) == #""hé""#)
        let structured = answer(
            response(
                200, #"{"specversion":"1.0","id":"1","source":"s:x","type":"t","data":{"b":2}}"#,
                type: "application/cloudevents+json"))
        #expect(structured.published.first?.id == "1" && structured.result == Answer.null)
        let batch = answer(
            response(
                200,
                #"[{"specversion":"1.0","id":"1","source":"s:x","type":"t"},{"specversion":"1.0","id":"2","source":"s:x","type":"t"}]"#,
                type: "application/cloudevents-batch+json; charset=utf-8"))
        #expect(batch.published.map(\.id) == ["1", "2"])
        var binary = response(200, #"{"a":1}"#, type: "application/json")
        for (name, value) in [("ce-specversion", "1.0"), ("ce-id", "7"), ("Ce-Source", "s:x"), ("CE-TYPE", "t")] {
            binary.headers.append((name: name, value: value))
        }
        #expect(answer(binary).published.first?.id == "7")
        #expect(answer(response(200, "{", type: "application/cloudevents+json")).status == .developerError)
        #expect(answer(response(200, "x", type: "image/png")).status == .developerError)
        #expect(answer(response(200, "x", length: 500)).status == .applicationError)
        #expect(answer(response(500, #"{"error":"e"}"#)).status == .applicationError)
        #expect(
            String(decoding: answer(response(503, "busy")).result, as: UTF8.self)
                == #"{"error":"the container answered 503: busy"}"#)
    }
}
