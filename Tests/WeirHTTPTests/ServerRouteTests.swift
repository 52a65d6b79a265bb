import HTTPTypes
import Synchronization
import Testing

@testable import WeirHTTP

@Suite struct ServerRouteTests {
    @Test func aServerWithObstaclesIsNotReady() async throws {
        let face = try TestFace()
        #expect(try await face.send(.get, "/healthz", key: nil).text == #"{"status":"ok"}"#)
        #expect(try await face.send(.get, "/readyz", key: nil).status == 200)
        face.engine.state.withLock { $0.obstacles = ["the channel storage is being recovered"] }
        let reply = try await face.send(.get, "/readyz", key: nil)
        #expect(reply.status == 503)
        #expect(reply.detail == "not ready: the channel storage is being recovered")
        #expect(reply.headers[.retryAfter] == "1")
        #expect(try await face.send(.get, "/healthz", key: nil).status == 200)
    }

    @Test func statusAndVersionAreTheEngines() async throws {
        let face = try TestFace()
        #expect(try await face.send(.get, "/v1/status").text == #"{"channels":1}"#)
        #expect(try await face.send(.get, "/v1/version").text == #"{"version":"1.2.3"}"#)
    }
}
