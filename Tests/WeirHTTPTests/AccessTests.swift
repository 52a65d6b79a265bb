import Synchronization
import CloudEvents
import HTTPTypes
import Testing

@testable import WeirHTTP

@Suite struct AccessTests {
    /// A path of the route with something in every gap.
    static func path(_ route: Route) -> String {
        route.pattern.description.replacing(/\{[a-z]+\}/, with: "x")
    }

    @Test func nobodyWithoutAKeyPassesAnyRouteButTheOpenOnes() async throws {
        let face = try TestFace()
        let open = ["/healthz", "/readyz", "/openapi.json", "/v1/openapi.json"]
        for route in face.face.responder.table.routes {
            let reply = try await face.send(route.method, Self.path(route), key: nil)
            if open.contains(route.pattern.description) {
                #expect(reply.status == 200, "\(route.pattern)")
            } else {
                #expect(reply.status == 401, "\(route.method) \(route.pattern)")
                #expect(reply.headers[.wwwAuthenticate] == "Bearer realm=\"weir\"")
            }
        }
        #expect(face.access.questions.all.withLock { $0 }.isEmpty)
    }

    @Test func everyRouteAsksOnceAndIsRefusedWhenTheAnswerIsNo() async throws {
        let face = try TestFace()
        for route in face.face.responder.table.routes {
            guard case .needs(let action, let target) = route.access else { continue }
            face.access.questions.all.withLock { $0 = [] }
            let reply = try await face.send(route.method, Self.path(route) + "?namespace=n", key: "nobody")
            #expect(reply.status == 403, "\(route.method) \(route.pattern)")
            #expect(reply.detail == "nobody may not \(action) this \(target)")
            let name = route.pattern.parameterNames.isEmpty ? nil : "x"
            #expect(
                face.access.questions.all.withLock { $0 }
                    == [AccessRequest(action: action, target: target, namespace: "n", name: name)])
        }
    }

    @Test func whatWritesNeedsMoreThanToView() throws {
        for route in try TestFace().face.responder.table.routes where route.method != .get {
            #expect(route.access != .open)
            // These ask for a proof themselves.
            if route.access == .proven { #expect(route.pattern.description == "/v1/hooks/{namespace}/{source}") }
            if case .needs(let action, _) = route.access { #expect(action != .view && action != .readEvents) }
        }
    }

    @Test func anUnknownKeyIsRefused() async throws {
        let reply = try await TestFace().send(.get, "/v1/status", key: "wrong")
        #expect(reply.status == 401)
        #expect(reply.detail == "the key is not known")
    }

    @Test func theNamespaceIsTheCallersUnlessTheQueryNamesOne() async throws {
        let face = try TestFace()
        _ = try await face.send(.get, "/v1/channels", key: "reader")
        _ = try await face.send(.get, "/v1/channels?n%61mespace=a%2Db", key: "reader")
        #expect(face.access.questions.all.withLock { $0.map(\.namespace) } == ["lab", "a-b"])
        #expect(face.engine.state.withLock { $0.namespaces } == ["lab", "a-b"])
        // Asked about one namespace, then served another: no.
        #expect(try await face.send(.get, "/v1/channels?namespace=a&namespace=b", key: "reader").status == 400)
    }
}
