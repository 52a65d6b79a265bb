import CloudEvents
import HTTPTypes
import Synchronization
import Testing

@testable import WeirHTTP

@Suite struct SubscriptionRouteTests {
    @Test func subscriptionsArePausedAndResumed() async throws {
        let face = try TestFace()
        let paused = try await face.send(.post, "/v1/subscriptions/new-files/pause")
        #expect(paused.status == 200)
        #expect(paused.json["paused"] == true)
        #expect(face.engine.state.withLock { $0.paused["new-files"] } == true)
        #expect(try await face.send(.post, "/v1/subscriptions/new-files/resume").json["paused"] == false)
        #expect(try await face.send(.post, "/v1/subscriptions/other/pause").status == 404)
    }

    @Test func deadLettersArePaged() async throws {
        let face = try TestFace()
        let reply = try await face.send(.get, "/v1/subscriptions/new-files/dead-letters")
        #expect(reply.text == #"{"items":[{"reason":"refused"}],"next":"1"}"#)
        #expect(try await face.send(.get, "/v1/subscriptions/other/dead-letters").status == 404)
    }

    @Test func aReplayIsStartedShownAndEnded() async throws {
        let face = try TestFace()
        let path = "/v1/subscriptions/new-files/replay"
        let dry = try await face.send(.post, path, body: #"{"from":"1h","to":"2026-03-01T11:30:00Z","dryRun":true}"#)
        #expect(dry.status == 200)
        #expect(dry.text == #"{"matching":7}"#)
        let asked = face.engine.state.withLock { $0.lastReplay }
        #expect(asked?.from == .time(TestFace.now - 3_600_000))
        #expect(asked?.to == .time(TestFace.now - 1_800_000))
        #expect(asked?.scope == .everything)
        let real = try await face.send(.post, path, body: #"{"from":"earliest","sink":"function:checksum"}"#)
        #expect(real.status == 202)
        #expect(real.headers[.location] == "/v1/replays/r1")
        #expect(face.engine.state.withLock { $0.lastReplay?.sink } == "function:checksum")
        #expect(face.engine.state.withLock { $0.lastReplay?.to } == .latest)
        #expect(try await face.send(.get, "/v1/replays").json["items"]?.array?.count == 1)
        #expect(try await face.send(.get, "/v1/replays/r1").json["state"] == "running")
        #expect(try await face.send(.delete, "/v1/replays/r1").status == 204)
        #expect(try await face.send(.get, "/v1/replays/r1").detail == "there is no replay \"r1\"")
        #expect(try await face.send(.delete, "/v1/replays/r1").status == 404)
    }

    @Test(arguments: [
        ("{}", "from", "this is required"),
        (#"{"from":"earliest","dryrun":true}"#, "dryrun", "this key is unknown: did you mean \"dryRun\"?"),
        (
            #"{"from":"then"}"#, "from",
            "\"then\" is no place to start: write earliest, latest, a time such as 2026-03-01T12:00:00Z, "
                + "or a length of time before now such as 1h"
        ),
        (#"{"from":"earliest","sink":3}"#, "sink", "a string was expected, not an integer"),
    ])
    func aReplayThatCannotBeIsRefused(_ body: String, _ path: String, _ message: String) async throws {
        let reply = try await TestFace().send(.post, "/v1/subscriptions/new-files/replay", body: body)
        #expect(reply.status == 422)
        #expect(reply.json["errors"]?.array?.first?["path"]?.string == path)
        #expect(reply.json["errors"]?.array?.first?["message"]?.string == message)
    }

    @Test func aReplayOfNothingIsNotFound() async throws {
        let reply = try await TestFace().send(.post, "/v1/subscriptions/x/replay", body: #"{"from":"earliest"}"#)
        #expect(reply.detail == "there is no subscription \"x\"")
    }
}
