import CloudEvents
import Foundation
import Outbound
import Synchronization
import TestSupport
import Testing

/// Holds the double to what was recorded of dCache, so that what the source is tested against is what dCache says.
@Suite("The frontend of the tests answers as recorded")
struct DCacheExchangesTests {
    static let exchanges: [JSONValue] = {
        guard let folder = Fixtures.directory("storage-events"),
            let data = FileManager.default.contents(atPath: folder + "/sse/http-exchanges.json"),
            let value = try? JSONValue(parsing: [UInt8](data))
        else { return [] }
        return value.array ?? []
    }()

    @Test(
        "every exchange",
        .enabled(if: !exchanges.isEmpty, "the recorded exchanges are not beside the checkout"), arguments: exchanges)
    func exchange(_ exchange: JSONValue) async throws {
        let what = exchange["what"]?.string ?? ""
        let double = try await FrontendDouble()
        prepare(double, what)
        let line = (exchange["request"]?.string ?? exchange["request"]?["line"]?.string ?? "")
            .replacing("...", with: "/api/v1/events/channels/pf_B1dEed98IVKqc9BNa-w")
        let parts = line.split(separator: " ").map(String.init)
        var request = WebRequest(parts[0], double.url + parts[1], body: exchange["request"]?["json"]?.encoded())
        if what != "anonymous" { request.headers.append(("Authorization", "Bearer \(FrontendDouble.token)")) }
        for header in exchange["request"]?["headers"]?.object?.members ?? [] {
            request.headers.append((header.name, header.value.string ?? ""))
        }
        let client = try WebClient()
        let answer: WebResponse
        do {
            answer = try await client.send(request)
            await client.shutdown()
        } catch {
            await client.shutdown()
            throw error
        }
        let wanted = exchange["response"] ?? .null
        #expect(Int64(answer.status) == wanted["status"]?.integer)
        if let json = wanted["json"] { #expect(try sorted(JSONValue(parsing: answer.body)) == sorted(json)) }
        for header in wanted["headers"]?.object?.members ?? [] {
            #expect(answer[header.name] == header.value.string)
        }
    }

    /// What must be there for the exchange to be as it was.
    private func prepare(_ double: FrontendDouble, _ what: String) {
        for folder in ["/Users", "/Users/paul", "/a", "/secret"] { double.makeFolder(folder) }
        let node = double.node("/Users/paul") ?? -1
        double.state.withLock { state in
            state.forbidden = ["/secret"]
            state.isOldErrors = what.contains("before 8.2")
            state.channelIDs = [what.contains("client id") ? "IQ7U7sA0gpnpu9QGz-Hbxg" : "pf_B1dEed98IVKqc9BNa-w"]
            state.watchIDs = ["AACFqb-WHkhFAYm6_xQY1Jf3"]
            if what == "too many channels" { state.limit = 0 }
            guard !what.hasPrefix("create"), !what.hasPrefix("closed"), what != "too many channels" else { return }
            var first = FrontendDouble.EventChannel(user: "alice", client: nil)
            if what == "subscribe again to the same path" || what == "delete subscription" {
                first.watches = [.init(id: "AACFqb-WHkhFAYm6_xQY1Jf3", node: node, path: "/Users/paul", flags: [])]
            }
            state.channels["pf_B1dEed98IVKqc9BNa-w"] = first
            state.channels["IQ7U7sA0gpnpu9QGz-Hbxg"] = .init(
                user: what == "channel of another user" ? "bob" : "alice", client: "test-1")
        }
    }

    private func sorted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let object):
            .object(
                JSONObject(
                    members: object.members.sorted { $0.name < $1.name }
                        .map { .init(name: $0.name, value: sorted($0.value)) }))
        case .array(let array): .array(array.map(sorted))
        default: value
        }
    }
}
