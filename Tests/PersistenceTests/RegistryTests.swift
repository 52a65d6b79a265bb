import CloudEvents
import Foundation
import GRDB
import Synchronization
import Testing
import TestSupport

@testable import Persistence

@Suite struct RegistryTests {
    private func open(_ folder: TemporaryDirectory, _ name: String = "weir.db") throws -> Registry {
        try Registry(try Database(path: folder.file(name)))
    }

    private func writer(_ registry: Registry) -> RegistryWriter {
        let clock = Mutex<Int64>(1000)
        return RegistryWriter(
            registry,
            now: {
                clock.withLock {
                    $0 += 1; return $0
                }
            })
    }

    private let storage = ResourceKey(.channel, "default", "storage")

    @Test func aPutCreatesThenChangesThenLeavesAsItIs() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        guard case .created(let made) = try await writer.put(.channel, "default", "storage", ["retention": "30d"])
        else {
            Issue.record("was not created")
            return
        }
        #expect(made.generation == 1 && made.created == 1001 && made.updated == 1001 && made.uid.count == 32)
        guard
            case .updated(let next, let previous) = try await writer.put(
                .channel, "default", "storage", ["retention": "31d", "partitions": 4])
        else {
            Issue.record("was not updated")
            return
        }
        #expect(previous == made)
        #expect(next.generation == 2 && next.created == 1001 && next.updated == 1002 && next.uid == made.uid)
        // The same document with its members in another order says the same.
        let same = try await writer.put(.channel, "default", "storage", ["partitions": 4.0, "retention": "31d"])
        #expect(same == .unchanged(next))
        #expect(try registry.resource(storage) == next)
        #expect(try await registry.commands(after: 0, limit: 10).map(\.number) == [1, 2])
    }

    @Test func anExpectedGenerationIsHeldAgainstTheCurrentOne() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        func message(_ body: () async throws -> Void) async -> String? {
            do {
                try await body()
                return nil
            } catch {
                return "\(error)"
            }
        }
        #expect(
            await message { try await writer.put(.channel, "default", "storage", [:], expectedGeneration: 3) }
                == #"channel "storage" was expected at generation 3, but there is none"#)
        try await writer.put(.channel, "default", "storage", [:], expectedGeneration: 0)
        #expect(
            await message { try await writer.put(.channel, "default", "storage", ["a": 1], expectedGeneration: 0) }
                == #"channel "storage" exists already"#)
        #expect(
            await message { try await writer.delete(.channel, "default", "storage", expectedGeneration: 2) }
                == #"channel "storage" was changed by someone else: it is at generation 1, not 2"#)
        #expect(
            await message { try await writer.delete(.source, "team", "billing") }
                == #"there is no source "billing" of namespace "team""#)
        #expect(
            await message { try await writer.setPaused(.subscription, "default", "x", true) }
                == #"there is no subscription "x""#)
        #expect(try await registry.commands(after: 0, limit: 10).count == 1, "a refused command is not kept")
    }

    @Test func aNameUsedAgainAfterADeleteIsAnotherResource() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        let first = try await writer.put(.channel, "default", "storage", [:]).resource
        try await writer.delete(.channel, "default", "storage")
        #expect(try registry.resource(storage) == nil)
        let second = try await writer.put(.channel, "default", "storage", [:]).resource
        #expect(second.generation == 1)
        #expect(first.uid != second.uid)
    }

    @Test func aPauseIsKeptAndSurvivesAChangeOfTheDocument() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        try await writer.put(.subscription, "default", "s", ["channel": "a"])
        try await writer.setPaused(.subscription, "default", "s", true)
        try await writer.put(.subscription, "default", "s", ["channel": "b"])
        let key = ResourceKey(.subscription, "default", "s")
        #expect(try registry.resource(key)?.isPaused == true)
        #expect(try registry.resource(key)?.generation == 2)
    }

    @Test func everythingIsThereAfterAnotherStart() async throws {
        let folder = try TemporaryDirectory()
        let before: ResourceDocument
        do {
            let database = try Database(path: folder.file("weir.db"))
            let writer = writer(try Registry(database))
            before = try await writer.put(.channel, "default", "storage", ["a": [1, 2.5, nil, "x"]]).resource
            try await writer.put(.source, "default", "gone", [:])
            try await writer.delete(.source, "default", "gone")
            try await database.close()
        }
        let registry = try open(folder)
        #expect(try registry.resource(storage) == before)
        #expect(registry.all(.source).isEmpty)
    }

    @Test func listsAreSortedByNameAndPaged() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        for name in ["b", "a", "é", "Z", "c/d", "c"] { try await writer.put(.function, "default", name, [:]) }
        for namespace in ["team", "atlas"] { try await writer.put(.function, namespace, "m", [:]) }
        var names: [String] = []
        var cursor: String?
        repeat {
            let page = try await registry.list(.function, namespace: "default", limit: 2, cursor: cursor)
            #expect(page.resources.count == 2)
            names += page.resources.map(\.name)
            cursor = page.next
        } while cursor != nil
        #expect(names == ["Z", "a", "b", "c", "c/d", "é"])
        let all = try await registry.list(.function, namespace: nil, limit: 3)
        #expect(all.resources.map { $0.namespace + ":" + $0.name } == ["atlas:m", "default:Z", "default:a"])
        let rest = try await registry.list(.function, namespace: nil, cursor: all.next)
        #expect(rest.resources.map(\.name) == ["b", "c", "c/d", "é", "m"])
        #expect(rest.next == nil)
        let error = await failure {
            _ = try await registry.list(.function, namespace: nil, cursor: "no+cursor")
        }
        #expect(error?.message == "the cursor is none that a list gave: begin again without one")
    }

    @Test func observersHearEveryChangeInOrderAndBeforeTheAnswer() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        try await writer.put(.channel, "default", "before", [:])
        let heard = Mutex<[String]>([])
        let (current, observation) = registry.observe { change in
            heard.withLock { $0.append("\(change.resource.name)@\(change.resource.generation)") }
        }
        #expect(current.map(\.name) == ["before"])
        try await writer.put(.channel, "default", "a", [:])
        #expect(heard.withLock { $0 } == ["a@1"])
        try await writer.put(.channel, "default", "a", [:])
        try await writer.put(.function, "default", "f", ["x": 1])
        try await writer.put(.channel, "default", "a", ["y": 1])
        try await writer.delete(.channel, "default", "before")
        #expect(heard.withLock { $0 } == ["a@1", "f@1", "a@2", "before@1"])
        observation.cancel()
        try await writer.put(.channel, "default", "late", [:])
        #expect(heard.withLock { $0.count } == 4)
    }

    @Test func concurrentWritersSeeOneOrder() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        let heard = Mutex<[Int64]>([])
        let observation = registry.observe { change in heard.withLock { $0.append(change.resource.generation) } }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<Int64(200) {
                group.addTask { _ = try? await writer.put(.channel, "default", "storage", ["n": .integer(number)]) }
            }
        }
        #expect(heard.withLock { $0 } == Array(1...200))
        #expect(try registry.resource(storage)?.generation == 200)
        observation.observation.cancel()
    }

    @Test func theCommandsPlayedAgainGiveTheSameTables() async throws {
        var generator = SeededGenerator()
        print("seed \(generator.seed)")
        let folder = try TemporaryDirectory()
        let database = try Database(path: folder.file("a.db"))
        let registry = try Registry(database)
        let writer = writer(registry)
        let kinds: [ResourceKind] = [.channel, .source, .function, .subscription]
        for step in 0..<400 {
            let kind = kinds[Int.random(in: 0..<4, using: &generator)]
            let name = "n\(Int.random(in: 0..<6, using: &generator))"
            let document: JSONValue = ["v": .integer(Int64.random(in: 0..<3, using: &generator)), "t": "ä\"\\\n"]
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: _ = try? await writer.delete(kind, "default", name)
            case 1: _ = try? await writer.setPaused(kind, "default", name, step % 2 == 0)
            case 2, 3:
                let digest = "d\(Int.random(in: 0..<5, using: &generator))"
                _ = try await writer.apply(
                    .putVersion(
                        ResourceKey(.function, "default", name), document: document,
                        version: VersionDocument(
                            digest: digest, content: "c" + digest, document: ["d": .string(digest)]),
                        keep: 3, expectedGeneration: nil))
            default:
                _ = try? await writer.put(
                    kind, "default", name, document, expectedGeneration: step % 3 == 0 ? 1 : nil)
            }
        }
        let copy = try Database(path: folder.file("b.db"))
        let replayed = try Registry(copy)
        for numbered in try await registry.commands(after: 0, limit: 1000) {
            // Through the text form, as a command travels.
            let command = try RegistryCommand(json: JSONValue(parsing: numbered.command.json.text))
            #expect(command == numbered.command)
            try await replayed.apply(command)
        }
        for table in ["resource", "version", "command"] {
            let dump = { @Sendable (db: GRDB.Database) throws -> [String] in
                try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { "\($0)" }.sorted()
            }
            let rows = try await database.read(dump)
            #expect(rows.count > 3)
            #expect(rows == (try await copy.read(dump)))
        }
        #expect(Set(replayed.all(.channel)) == Set(registry.all(.channel)))
    }

    @Test func oldVersionsGoAndTheCurrentOneStays() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        let key = ResourceKey(.function, "default", "f")
        func put(_ digest: String) async throws {
            try await writer.apply(
                .putVersion(
                    key, document: ["d": .string(digest)],
                    version: VersionDocument(digest: digest, content: "code-" + digest, document: ["x": 1]), keep: 2,
                    expectedGeneration: nil))
        }
        for digest in ["one", "two", "one", "three", "three"] { try await put(digest) }
        #expect(try await registry.versions(key).map(\.digest) == ["three", "one"])
        #expect(try registry.resource(key)?.version == "three")
        #expect(try registry.resource(key)?.generation == 4)
        #expect(try await registry.contents(of: .function) == ["code-one", "code-three"])
        #expect(try registry.version(key, digest: "one")?.content == "code-one")
        #expect(try registry.version(key, digest: "two") == nil)
        try await writer.delete(.function, "default", "f")
        #expect(try await registry.versions(key).isEmpty)
    }

    @Test(arguments: [
        (#"{"operation":"put"}"#, #"a registry command lacks "kind" or has it wrong: {"operation":"put"}"#),
        (
            #"{"kind":"channel","namespace":"n","name":"x","time":1,"uid":"u","operation":"rename"}"#,
            #"the registry command "rename" is unknown: was it written by a newer version?"#
        ),
    ])
    func aCommandThatCannotBeReadIsNamed(_ text: String, _ message: String) async throws {
        let error = await failure {
            _ = try RegistryCommand(json: try JSONValue(parsing: text))
        }
        #expect(error?.message == message)
    }

    /// Reads on the caller's thread and reads that wait for a thread must not wait for each other.
    @Test(.timeLimit(.minutes(1))) func readsOfBothKindsGoOnWhenThereAreMany() async throws {
        let folder = try TemporaryDirectory()
        let registry = try open(folder)
        let writer = writer(registry)
        try await writer.put(.function, "default", "f", ["a": 1])
        try await withThrowingTaskGroup { group in
            for _ in 0..<64 {
                group.addTask {
                    for _ in 0..<20 {
                        let page = try await registry.list(.function, namespace: "default")
                        let one = try registry.resource(ResourceKey(.function, "default", "f"))
                        #expect(page.resources.count == 1 && one == page.resources.first)
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
