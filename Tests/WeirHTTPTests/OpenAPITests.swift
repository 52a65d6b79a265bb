import HTTPTypes
import CloudEvents
import Foundation
import TestSupport
import Testing

@testable import WeirHTTP

@Suite struct OpenAPITests {
    @Test func theDocumentAndTheRoutesAreTheSameInBothDirections() async throws {
        let face = try TestFace()
        let served = try await face.send(.get, "/v1/openapi.json", key: nil)
        #expect(served.status == 200)
        #expect(try await face.send(.get, "/openapi.json", key: nil).text == served.text)
        var described: Set<String> = []
        for path in served.json["paths"]?.object?.members ?? [] {
            for method in path.value.object?.names ?? [] { described.insert("\(method.uppercased()) \(path.name)") }
        }
        let routes = face.face.responder.table.routes
        #expect(described == Set(routes.map { "\($0.method.rawValue) \($0.pattern)" }))
        #expect(described.count == routes.count, "a route is registered twice")
        // What is described is there: no described operation answers 404 "no such path" or 405.
        for path in served.json["paths"]?.object?.members ?? [] {
            for method in path.value.object?.names ?? [] {
                let route = try #require(
                    routes.first { $0.method.rawValue.lowercased() == method && $0.pattern.description == path.name })
                let reply = try await face.send(route.method, AccessTests.path(route), key: nil)
                #expect(reply.code != "no-such-path" && reply.status != 405, "\(method) \(path.name)")
            }
        }
    }

    @Test func operationIdsAreUniqueAndSchemasExist() throws {
        let routes = try TestFace().face.responder.table.routes
        #expect(Set(routes.map(\.documentation.id)).count == routes.count)
        let schemas = Set(try Schemas.all().names)
        for route in routes {
            for schema in route.documentation.answers.compactMap(\.schema)
                + [route.documentation.body?.schema].compactMap(\.self)
            {
                #expect(schemas.contains(schema), "\(schema) of \(route.pattern)")
            }
        }
    }

    @Test func theDocumentIsValidOpenAPI() async throws {
        let reply = try await TestFace().send(.get, "/openapi.json", key: nil)
        let folder = try TemporaryDirectory("openapi")
        try Data(reply.text.utf8).write(to: URL(fileURLWithPath: folder.file("openapi.json")))
        let script = """
            import json, sys
            try:
                import openapi_spec_validator as v
            except ImportError:
                print("absent"); sys.exit(0)
            v.validate(json.load(open(sys.argv[1])))
            print("valid")
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", script, folder.file("openapi.json")]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        do { try process.run() } catch {
            print("skipped: python3 is not there to validate the OpenAPI document")
            return
        }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        if output.hasPrefix("absent") {
            print("skipped: the Python package openapi-spec-validator is not installed")
            return
        }
        #expect(output == "valid\n")
    }
}
