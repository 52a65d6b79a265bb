import CloudEvents
import Foundation
import Persistence
import Synchronization
import TestSupport
import Testing

@testable import Functions

@Suite struct FunctionRepositoryTests {
    private final class House: Sendable {
        let folder: TemporaryDirectory
        let database: Database
        let registry: Registry
        let store: CodeStore
        let functions: FunctionRepository

        init(versionsKept: Int = 20, cached: Int = 4096) throws {
            folder = try TemporaryDirectory()
            database = try Database(path: folder.file("weir.db"))
            registry = try Registry(database)
            store = try CodeStore(path: folder.file("code"))
            let clock = Mutex<Int64>(0)
            let writer = RegistryWriter(
                registry,
                now: {
                    clock.withLock {
                        $0 += 1; return $0
                    }
                })
            functions = FunctionRepository(registry, writer, store, versionsKept: versionsKept, cached: cached)
        }

        // Read-only folders are in the way of the test's tidying up.
        deinit { CodeStore.remove(store.path) }

        @discardableResult
        func put(
            _ name: String, _ code: String, _ spec: JSONValue = ["file": "main.py"]
        ) async throws -> (change: RegistryChange, version: FunctionVersion) {
            try await functions.put(
                namespace: "default", name: name,
                FunctionUpload(spec: spec, code: Array(code.utf8), filename: "main.py"))
        }

        func message(_ body: (FunctionRepository) async throws -> Void) async -> String? {
            do {
                try await body(functions)
                return nil
            } catch {
                return "\(error)"
            }
        }
    }

    @Test func onlyOneFileOfModerateLengthSharesWorkers() async throws {
        let house = try House()
        let spec: JSONValue = ["file": "main.py", "scale": ["shared": true]]
        let (_, version) = try await house.put("one", "def main(args): return 1", spec)
        #expect(version.limits.scaling.isShared)
        let long = "def main(args): return 1\n#" + String(repeating: "x", count: FunctionScaling.sharedCodeLimit)
        let tooLong = await house.message { _ in try await house.put("long", long, spec) }
        #expect(tooLong?.contains("functions share workers up to 1048576") == true, "\(tooLong ?? "")")
        let archive = ZipBuilder([.init("__main__.py", "import other"), .init("other.py", "x = 1")]).build()
        let twoFiles = await house.message {
            try await $0.put(
                namespace: "default", name: "two",
                FunctionUpload(
                    spec: ["file": "f.zip", "runtime": "python", "scale": ["shared": true]], code: archive,
                    filename: "f.zip"))
        }
        #expect(twoFiles?.contains("the code is 2 files") == true, "\(twoFiles ?? "")")
    }

    @Test func aFunctionIsMadeChangedAndLeftAsItIs() async throws {
        let house = try House()
        let (made, first) = try await house.put("lib/f", "x = 1")
        guard case .created = made else {
            Issue.record("was not created")
            return
        }
        #expect(first.digest.count == 64 && first.entry == "main.py" && first.runtime == .python)
        #expect(try String(contentsOfFile: first.codeDirectory + "/main.py", encoding: .utf8) == "x = 1")
        #expect(house.functions.version(namespace: "default", name: "lib/f", digest: nil) == first)
        guard case .unchanged = try await house.put("lib/f", "x = 1").change else {
            Issue.record("the same again is no change")
            return
        }
        let (changed, second) = try await house.put("lib/f", "x = 2")
        guard case .updated(let resource, _) = changed else {
            Issue.record("other code is a change")
            return
        }
        #expect(resource.version == second.digest && resource.generation == 2)
        #expect(second.codeDirectory != first.codeDirectory)
        #expect(house.functions.version(namespace: "default", name: "lib/f", digest: nil) == second)
        #expect(house.functions.version(namespace: "default", name: "lib/f", digest: first.digest) == first)
    }

    @Test func eachPartOfAVersionCountsInItsDigest() async throws {
        let house = try House()
        let base: JSONObject = ["file": "main.py"]
        var digests: Set<String> = [try await house.put("f", "x").version.digest]
        for (key, value) in [
            ("handler", "go"), ("parameters", ["a": 1]), ("environment", ["A": "1"]), ("timeout", "2s"),
            ("memory", "32MiB"), ("logs", "1kB"), ("concurrency", 2), ("runtime", "executable"), ("input", "file"),
        ] as [(String, JSONValue)] {
            var spec = base
            spec[key] = value
            digests.insert(try await house.put("f", "x", .object(spec)).version.digest)
        }
        #expect(digests.count == 10)
        // Neither the description nor the order of parameters makes another version.
        let a = try await house.put("f", "x", ["file": "main.py", "parameters": ["a": 1, "b": 2]]).version
        let b = try await house.put(
            "g", "x", ["file": "main.py", "description": "d", "parameters": ["b": 2, "a": 1]]
        ).version
        #expect(a.digest == b.digest)
    }

    @Test func aVersionSurvivesARestart() async throws {
        let house = try House()
        let spec: JSONValue = [
            "file": "main.py", "handler": "go", "parameters": ["z": [1, nil]], "environment": ["B": "1", "A": "2"],
            "timeout": "2s", "concurrency": 3,
        ]
        let version = try await house.put("f", "x", spec).version
        let again = try Registry(house.database)
        let functions = FunctionRepository(again, RegistryWriter(again, now: { 0 }), house.store)
        #expect(functions.version(namespace: "default", name: "f", digest: nil) == version)
        #expect(version.environment.map(\.name) == ["B", "A"] && version.handler == "go")
    }

    @Test func theHistoryIsKeptToItsLimitAndFoundByPrefix() async throws {
        let house = try House(versionsKept: 3)
        var digests: [String] = []
        for number in 0..<5 { digests.append(try await house.put("f", "x = \(number)").version.digest) }
        let kept = try await house.functions.versions(namespace: "default", name: "f")
        #expect(kept.map(\.digest) == digests.suffix(3).reversed())
        let found = try await house.functions.version(
            namespace: "default", name: "f", prefix: String(digests[3].prefix(12)).uppercased())
        #expect(found.digest == digests[3])
        #expect(
            await house.message { _ = try await $0.version(namespace: "default", name: "f", prefix: digests[0]) }
                == "function \"f\" has no version \"\(digests[0])\"; it keeps the last 3")
        #expect(
            await house.message { _ = try await $0.version(namespace: "default", name: "f", prefix: "ab") }
                == "a version is named by at least four digits of its digest")
        #expect(
            await house.message { _ = try await $0.version(namespace: "default", name: "g", prefix: "abcd") }
                == "there is no function \"g\"")
        #expect(house.functions.version(namespace: "default", name: "f", digest: digests[0]) == nil)
    }

    @Test func aDeletedFunctionIsGoneAndItsCodeWithTheNextCollection() async throws {
        let house = try House()
        let version = try await house.put("f", "x").version
        try await house.put("g", "y")
        try await house.put("h", "y")
        #expect(house.functions.version(namespace: "default", name: "f", digest: version.digest) == version)
        try await house.functions.delete(namespace: "default", name: "f")
        #expect(house.functions.version(namespace: "default", name: "f", digest: nil) == nil)
        #expect(house.functions.version(namespace: "default", name: "f", digest: version.digest) == nil)
        try await house.functions.delete(namespace: "default", name: "g")
        #expect(try await house.functions.collectGarbage().count == 1)
        #expect(!FileManager.default.fileExists(atPath: version.codeDirectory))
        let other = try #require(house.functions.version(namespace: "default", name: "h", digest: nil))
        #expect(FileManager.default.fileExists(atPath: other.codeDirectory + "/main.py"))
        #expect(
            await house.message { try await $0.delete(namespace: "default", name: "f") } == "there is no function \"f\""
        )
    }

    @Test func whatIsRefusedLeavesTheFunctionAsItWas() async throws {
        let house = try House()
        let version = try await house.put("f", "x").version
        func put(_ name: String, _ spec: JSONValue, _ code: [UInt8], _ filename: String) async -> String? {
            await house.message {
                try await $0.put(
                    namespace: "default", name: name, FunctionUpload(spec: spec, code: code, filename: filename))
            }
        }
        let slip = ZipBuilder([ZipBuilder.Member("../evil", "x")]).build()
        #expect(
            await put("f", ["file": "a.zip", "runtime": "python"], slip, "a.zip")
                == "the archive's entry \"../evil\" leads out of the archive by \"..\"")
        #expect(await put("f", ["file": "a.py"], [], "a.py") == "the code is empty")
        #expect(await put("f", ["timeout": "soon"], [1], "a.py")?.hasPrefix("timeout: \"soon\" is no length") == true)
        for name in ["../x", "a/../b", "a\u{0}", "a%2fb", "a\nb", "a/b/c", ""] {
            let refusal = await put(name, ["file": "a.py"], [1], "a.py")
            #expect(refusal?.hasPrefix("name: ") == true, "\(name)")
        }
        let conflict = await house.message {
            try await $0.put(
                namespace: "default", name: "f",
                FunctionUpload(spec: ["file": "a.py"], code: [1], filename: "a.py"), expectedGeneration: 7)
        }
        #expect(conflict == "function \"f\" was changed by someone else: it is at generation 1, not 7")
        #expect(house.functions.version(namespace: "default", name: "f", digest: nil) == version)
        #expect(try await house.functions.collectGarbage().count == 1, "the code of the conflict is let go")
    }

    @Test func inlineCodeIsAFunction() async throws {
        let house = try House()
        let version = try await house.functions.put(
            namespace: "default", name: "f",
            FunctionUpload(spec: ["code": "def main(a): return a", "runtime": "python"], code: [], filename: "")
        ).version
        #expect(version.entry == "main.py")
        #expect(
            try String(contentsOfFile: version.codeDirectory + "/main.py", encoding: .utf8) == "def main(a): return a")
    }

    @Test func aFunctionThatComesAfterItWasAskedForIsFound() async throws {
        let house = try House()
        #expect(house.functions.version(namespace: "default", name: "f", digest: nil) == nil)
        let version = try await house.put("f", "x").version
        #expect(house.functions.version(namespace: "default", name: "f", digest: nil) == version)
    }

    @Test func moreFunctionsThanTheCacheHoldsAreFound() async throws {
        let house = try House(cached: 4)
        for number in 0..<30 {
            // The one before it is no more the one that is found.
            try await house.put("f\(number)", "x = 0", ["file": "main.py", "concurrency": 99])
            try await house.put("f\(number)", "x = 1", ["file": "main.py", "concurrency": .integer(Int64(number + 1))])
        }
        for _ in 0..<2 {
            for number in 0..<30 {
                let version = house.functions.version(namespace: "default", name: "f\(number)", digest: nil)
                #expect(version?.limits.concurrency == number + 1)
            }
        }
    }
}
