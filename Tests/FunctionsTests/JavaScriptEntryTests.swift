import CloudEvents
import TestSupport
import Testing

@testable import Functions

struct JavaScriptEntryTests {
    private func entry(
        _ files: [String], _ handler: String? = nil, package: String? = nil
    ) async throws -> String {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        defer { CodeStore.remove(store.path) }
        var members = files.map { ZipBuilder.Member($0, "x") }
        if let package { members.append(ZipBuilder.Member("package.json", package)) }
        let stored = try await store.put(ZipBuilder(members).build(), filename: "x.zip", isProgram: false)
        var document: JSONObject = ["file": "x.zip", "runtime": "nodejs"]
        document["handler"] = handler.map { .string($0) }
        do {
            let spec = try FunctionSpec(.object(document))
            let found = try FunctionEntry.find(spec, in: stored, at: store.folder(stored.digest))
            return found.entry + (found.handler.map { ":" + $0 } ?? "")
        } catch {
            return "\(error)"
        }
    }

    @Test func theUsualFilesAreFound() async throws {
        #expect(try await entry(["lib/x.js", "index.js", "main.js"]) == "index.js")
        #expect(try await entry(["main.mjs", "other.js"], "run") == "main.mjs:run")
        #expect(try await entry(["only.cjs", "lib/x.js", "data.txt"]) == "only.cjs")
        #expect(try await entry(["a.js", "b.js"], "b.js:go") == "b.js:go")
        #expect(
            try await entry(["a.js", "b.js"], "c.js")
                == "handler: there is no file \"c.js\" in the code; it has a.js, b.js")
        #expect(
            try await entry(["a.js", "b.js"])
                == "the archive has no package.json with main, index.js, main.js or handler.js: name the file as "
                + "handler \"file.js:function\"; it has a.js, b.js")
    }

    @Test func thePackageNamesItsMainFile() async throws {
        #expect(try await entry(["a.js", "lib/b.js"], package: #"{"main": "./lib/b"}"#) == "lib/b.js")
        #expect(try await entry(["a.js", "lib/index.js"], package: #"{"main": "lib/"}"#) == "lib/index.js")
        #expect(try await entry(["a.js", "index.js"], package: "{}") == "index.js")
        #expect(
            try await entry(["a.js"], package: #"{"main": "b.js"}"#)
                == "package.json: main names \"b.js\", which is not in the code; it has a.js, package.json")
        #expect(try await entry(["a.js"], package: "{").hasPrefix("package.json: "))
    }
}
