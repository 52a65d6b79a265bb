import CloudEvents
import Foundation
import Functions
import Sandboxes
import TestSupport
import Testing

@testable import Invocation

/// Swift functions, built as they are when they are deployed. Building takes seconds, so one program is asked many things.
@Suite(.fewAtATime, .enabled(if: InvocationFixture.hasSwift, "there is no Swift compiler"))
struct SwiftTests {
    static let source = """
        import WeirFunction

        struct Refused: Error, CustomStringConvertible {
            let description: String
        }

        @main
        struct Sizes: EventHandler {
            var calls = JSON.integer(1)

            init() throws { print("made") }

            func handle(_ event: Event, _ context: Context) throws -> JSON? {
                switch event.id {
                case "look":
                    return [
                        "size": event["filesize"] ?? nil, "subject": .string(event.subject ?? ""), "none": event["nosuch"] ?? nil,
                        "data": event.data ?? nil, "key": .string(context.idempotencyKey), "function": .string(context.function),
                        "parameters": context.parameters, "remaining": .bool(context.remaining > 0),
                        "listed": .bool(event.allAttributes.contains { $0.name == "filesize" }),
                    ]
                case "log":
                    print("out")
                    context.log("err")
                    return nil
                case "publish":
                    try context.publish(
                        type: "org.example.size", subject: event.subject, data: ["n": 1.5], extensions: ["count": 3])
                    return "done"
                case "throw": throw Refused(description: "no \\"such\\" thing")
                case "error": return ["error": "no"]
                case "trap": return .integer(Int64(event.bytes[1_000_000]))
                case "environment":
                    return .string(getenv("MODE").map { String(cString: $0) } ?? "none")
                default: return .string(event.id)
                }
            }
        }
        """.replacing("import WeirFunction\n", with: "import Glibc\nimport WeirFunction\n")

    private func built(
        _ fixture: InvocationFixture, _ name: String, _ files: [String: String]
    ) async throws -> FunctionReference {
        let layers = try LayerStore(path: fixture.directory.file("layers"))
        let preparer = Preparer(
            PreparationConfiguration(), fixture.invoker.configuration, launcher: fixture.launcher, layers: layers,
            interpreters: fixture.interpreters, logger: fixture.logger)
        let function = try fixture.swift(name, files)
        let version = try #require(fixture.version(namespace: "default", name: name, digest: nil))
        let layer = try await preparer.prepare(
            PreparationOrder(
                runtime: .swift, work: .build, content: version.digest, directory: version.codeDirectory,
                files: files.keys.sorted()))
        #expect(layer.kind == .program)
        fixture.change(name) { $0.dependencies.layers = [layer] }
        return function
    }

    @Test func aFileIsBuiltAndAnswers() async throws {
        try await withInvoker { fixture in
            let function = try await built(fixture, "sizes", ["sizes.swift": Self.source])
            fixture.change("sizes") {
                $0.parameters = ["depth": 2]
                $0.environment = [.init(name: "MODE", value: "test")]
            }
            let look = try #require(
                await fixture.call(function, events: [event("look", data: .json(Array(#"{"n": "ü\n"}"#.utf8)))]).first)
            #expect(
                look.json == [
                    "size": 7, "subject": "/data/look", "none": nil, "data": ["n": "ü\n"], "key": "key-look",
                    "function": "sizes", "parameters": ["depth": 2], "remaining": true,
                    "listed": true,
                ], "\(look.errorText) \(look.logText)")

            let ids = ["a", "log", "publish", "throw", "error", "environment", "b"]
            let activations = await fixture.call(function, events: ids.map { event($0) })
            #expect(
                activations.map(\.json) == [
                    "a", nil, "done", ["error": "no \"such\" thing"], ["error": "no"], "test", "b",
                ])
            #expect(activations[1].logText.sorted() == ["err", "out"])
            #expect(activations[2].published.first?.data == .json(Array(#"{"n":1.5}"#.utf8)))
            #expect(activations[2].published.first?.extensions == [.init(name: "count", value: .integer(3))])
            #expect(activations[3].status == .applicationError)

            let arguments = await fixture.call(function, ["x": 5])
            #expect(
                arguments.json == .string(arguments.id),
                "the id of an event that stands for arguments is the activation's")

            // A trap ends the process; what was answered before stays, and what comes after gets a new one.
            let crash = await fixture.call(function, events: ["1", "2", "trap", "3"].map { event($0) })
            #expect(crash.map(\.status) == [.success, .success, .developerError, .success])
            #expect(crash.first?.json == "1")
        }
    }

    @Test func aPackageIsBuiltWithTheLibraryBesideIt() async throws {
        try await withInvoker { fixture in
            let manifest = """
                // swift-tools-version:6.0
                import PackageDescription

                let package = Package(
                    name: "thing",
                    dependencies: [.package(path: "WeirFunction")],
                    targets: [.executableTarget(name: "thing", dependencies: ["WeirFunction"])]
                )
                """
            let source = """
                import WeirFunction

                @main
                struct Thing: BatchHandler {
                    init() {}
                    func handle(_ events: [Event], _ context: Context) throws -> JSON? {
                        .array(events.map { .string($0.id) })
                    }
                }
                """
            let function = try await built(
                fixture, "thing", ["Package.swift": manifest, "Sources/thing/Thing.swift": source])
            let activations = await fixture.call(function, events: ["a", "b"].map { event($0) })
            #expect(activations.map(\.json) == [["a", "b"], ["a", "b"]])
        }
    }

    @Test func whatTheCompilerSaysIsSaid() async throws {
        try await withInvoker { fixture in
            let failure = await #expect(throws: FunctionError.self) {
                try await built(fixture, "broken", ["main.swift": "import WeirFunction\nlet x: Int = \"text\"\n"])
            }
            #expect(failure?.code == .preparation)
            #expect(failure?.message.contains("main.swift:2:14: error: cannot convert value of type 'String'") == true)
        }
    }
}
