import NIOHTTP1
import CloudEvents
import Foundation
import TestSupport
import Testing

/// OpenWhisk, section A: the service, credentials, what holds everywhere.
@Suite("OpenWhisk: service", .fewAtATime) struct WhiskServiceCases {
    @Test("OW-01 root document") func root() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let answer = try await tenant.call("GET", "/", auth: "")
        #expect(answer.status == 200)
        #expect(answer.json["description"] == "OpenWhisk")
        #expect(answer.json["api_paths"] == ["/api/v1"])
        for name in [
            "actions_per_minute", "triggers_per_minute", "concurrent_actions", "sequence_length", "max_action_memory",
            "max_action_duration",
        ] {
            #expect(answer.json["limits"]?[name]?.integer != nil, "\(name)")
        }
        #expect(answer.json["limits"]?["max_action_memory"] == .integer(512 << 20))
        for family in answer.json["runtimes"]?.object?.members ?? [] {
            for kind in family.value.array ?? [] {
                #expect(kind["kind"]?.string != nil && kind["default"]?.bool != nil && kind["deprecated"]?.bool != nil)
            }
        }
        #expect(answer.json["runtimes"]?["python"]?.array?.contains { $0["default"] == true } ?? false)
        #expect(try await tenant.call("GET", "/ping", auth: "").text == "pong")
    }

    @Test("OW-02 API document") func version() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for path in ["/api/v1", "/api/v1/"] {
            let answer = try await tenant.call("GET", path, auth: "")
            #expect(answer.status == 200)
            #expect(answer.json["description"] == "OpenWhisk API" && answer.json["api_version_path"] == "v1")
            for name in ["api_version", "build", "buildno"] { #expect(answer.json[name]?.string != nil) }
            #expect(answer.json["swagger_paths"]?.object != nil)
        }
        #expect(try await tenant.call("GET", "/api/v1/api-docs", auth: "").json["swagger"] == "2.0")
    }

    @Test("OW-03 wrong key") func wrongKey() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let wrong = String(tenant.auth.dropLast()) + (tenant.auth.hasSuffix("A") ? "B" : "A")
        for auth in [wrong, "x:y", "\(UUID().uuidString.lowercased()):abc"] {
            let answer = try await tenant.call("GET", "actions", auth: auth)
            expectError(answer, 401, "The supplied authentication is invalid")
            #expect(answer.headers.first(name: "www-authenticate")?.hasPrefix("Basic") ?? false)
        }
        expectError(
            try await tenant.call("GET", "actions", auth: ""), 401,
            "The resource requires authentication, which was not supplied with the request")
    }

    @Test("OW-04 own namespace") func namespaces() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        for path in ["/api/v1/namespaces", "/api/v1/namespaces/"] {
            let answer = try await tenant.call("GET", path)
            #expect(answer.status == 200 && answer.json == [.string(tenant.namespace)])
        }
        expectError(try await tenant.call("GET", "/api/v1/namespaces/\(tenant.namespace)"), 404)
        expectError(try await tenant.call("GET", "/api"), 404)
        let other = try await WhiskSite.shared.tenant("other")
        expectError(
            try await tenant.call("GET", "/api/v1/namespaces/\(other.namespace)/actions/x"), 403,
            "The supplied authentication is not authorized to access '\(other.namespace)/x'.")
        expectError(try await tenant.call("GET", "/api/v1/namespaces/\(other.namespace)/triggers"), 403)
        let limits = try await tenant.call("GET", "limits")
        #expect(limits.json["maxActionMemory"] == 512 && limits.json["maxParameterSize"] == "1 MB")
        expectError(
            try await tenant.call("GET", "limits/x"), 400,
            "Inner entity level routes for limits are not yet implemented.")
        expectError(try await tenant.call("POST", "limits"), 405)
    }

    @Test("OW-05 preflight") func preflight() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let answer = try await tenant.call("OPTIONS", "actions/x", auth: "")
        #expect(answer.status == 200)
        #expect(answer.headers.first(name: "access-control-allow-origin") == "*")
        let methods = answer.headers.first(name: "access-control-allow-methods") ?? ""
        for method in ["GET", "DELETE", "POST", "PUT", "HEAD"] { #expect(methods.contains(method)) }
        let headers = answer.headers.first(name: "access-control-allow-headers") ?? ""
        #expect(headers.contains("Authorization") && headers.contains("Content-Type"))
        let list = try await tenant.call("GET", "actions")
        #expect(list.headers.first(name: "access-control-allow-origin") == "*")
    }

    @Test("OW-06 transaction id") func transaction() async throws {
        let tenant = try await WhiskSite.shared.tenant()
        let answer = try await tenant.call("GET", "actions/nosuch", headers: [("X-Request-ID", "abc123")])
        #expect(answer.status == 404 && answer.headers.first(name: "x-request-id") == "abc123")
        #expect(answer.json == ["error": "The requested resource does not exist.", "code": "abc123"])
        let reserved = try await tenant.call("GET", "actions", headers: [("X-Request-ID", "sid_unknown")])
        #expect(reserved.headers.first(name: "x-request-id")?.hasPrefix("sid_") == false)
        let new = try await tenant.call("GET", "actions")
        #expect(new.headers.first(name: "x-request-id")?.count == 32)
    }
}
