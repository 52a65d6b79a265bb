import CloudEvents
import Foundation
import NIOHTTP1
import Testing

/// What every suite asks of a server.
extension TestClient {
    /// Puts a resource, which must succeed.
    func make(_ path: String, _ document: JSONValue, at location: SourceLocation = #_sourceLocation) async throws {
        let answer = try await put("/v1/\(path)", document)
        try #require((200..<300).contains(answer.status), "\(path): \(answer.text)", sourceLocation: location)
    }

    /// Puts a function of one Python text.
    func function(
        _ name: String, _ python: String, _ more: JSONObject = [:], at location: SourceLocation = #_sourceLocation
    ) async throws {
        try await function(name, file: "\(name).py", Array(python.utf8), more, at: location)
    }

    func function(
        _ name: String, file: String, _ bytes: [UInt8], _ more: JSONObject = [:],
        at location: SourceLocation = #_sourceLocation
    ) async throws {
        try await make("functions/\(name)", TestClient.upload(file, bytes, more), at: location)
    }

    static func upload(_ file: String, _ bytes: [UInt8], _ more: JSONObject = [:]) -> JSONValue {
        var document = more
        document["code"] = ["filename": .string(file), "base64": .string(Base64Text.encode(bytes))]
        return .object(document)
    }

    static func event(_ id: String, _ more: JSONObject = [:]) -> JSONValue {
        var event: JSONObject = ["specversion": "1.0", "id": .string(id), "source": "test:suite", "type": "test.event"]
        for member in more.members { event[member.name] = member.value }
        return .object(event)
    }

    /// Publishes events in one batch, which must be accepted.
    func publish(_ channel: String, _ events: [JSONValue], at location: SourceLocation = #_sourceLocation) async throws
    {
        let answer = try await call(
            "POST", "/v1/channels/\(channel)/events", type: "application/cloudevents-batch+json",
            body: JSONValue.array(events).encoded())
        try #require(answer.status == 200, "\(answer.text)", sourceLocation: location)
    }

    /// All events of a channel.
    func events(_ channel: String, at location: SourceLocation = #_sourceLocation) async throws -> [JSONValue] {
        var events: [JSONValue] = []
        var cursor: String?
        while true {
            let more = cursor.map { "&cursor=\($0)" } ?? ""
            let page = try await call("GET", "/v1/channels/\(channel)/events?limit=1000\(more)")
            try #require(page.status == 200, "\(page.text)", sourceLocation: location)
            events += (page.json["items"]?.array ?? []).compactMap { $0["event"] }
            if page.json["end"]?.bool == true { return events }
            cursor = page.json["next"]?.string
        }
    }

    func ids(_ channel: String) async throws -> [String] {
        try await events(channel).compactMap { $0["id"]?.string }.sorted()
    }

    func status(_ path: String) async throws -> JSONValue {
        try await call("GET", "/v1/\(path)").json["status"] ?? .null
    }

    /// Whether a subscription has settled everything that its channel holds.
    func isSettled(_ subscription: String) async throws -> Bool {
        let status = try await status("subscriptions/\(subscription)")
        return status["lag"]?.integer == 0 && status["inFlight"]?.integer == 0 && status["waiting"]?.integer == 0
    }

    func activations(_ function: String) async throws -> [JSONValue] {
        try await call("GET", "/v1/activations?function=\(function)&limit=1000").json["items"]?.array ?? []
    }
}

/// Holds an answer against what a refusal must be: a problem document whose words tell a person what is wrong.
func expectProblem(
    _ answer: TestClient.Answer, _ status: Int, _ code: String? = nil, saying words: [String] = [], _ what: String,
    at location: SourceLocation = #_sourceLocation
) {
    #expect(answer.status == status, "\(what): \(answer.text)", sourceLocation: location)
    #expect(
        answer.headers.first(name: "content-type") == "application/problem+json", "\(what)", sourceLocation: location)
    let problem = answer.json
    #expect(problem["status"]?.integer == Int64(status), "\(what)", sourceLocation: location)
    if let code { #expect(problem["code"]?.string == code, "\(what): \(answer.text)", sourceLocation: location) }
    #expect(problem["detail"]?.string?.isEmpty == false, "\(what): \(answer.text)", sourceLocation: location)
    for word in words { #expect(answer.text.contains(word), "\(what) does not say \(word)", sourceLocation: location) }
}
