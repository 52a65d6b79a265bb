import Foundation
import TestSupport
import Testing

@testable import Functions

@Suite struct CodeStoreTests {
    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    /// The store's folders are read-only: they are opened up so that the test's folder can go.
    private func cleanUp(_ store: CodeStore) { CodeStore.remove(store.path) }

    @Test func codeIsFoundUnderItsDigestAndReadOnly() async throws {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        defer { cleanUp(store) }
        var program = ZipBuilder.Member("bin/run", "#!/bin/sh\n")
        program.mode = 0o106755
        let zip = ZipBuilder([ZipBuilder.Member("main.py", "x = 1\n"), program]).build()
        let code = try await store.put(zip, filename: "f.zip", isProgram: false)
        #expect(code.files == ["bin/run", "main.py"])
        #expect(code.programs == ["bin/run"])
        #expect(try names(store.path) == [code.digest])
        let root = store.folder(code.digest)
        #expect(try String(contentsOfFile: root + "/main.py", encoding: .utf8) == "x = 1\n")
        #expect(try mode(root) == 0o555)
        #expect(try mode(root + "/bin") == 0o555)
        #expect(try mode(root + "/bin/run") == 0o555, "setuid and setgid are gone")
        #expect(try mode(root + "/main.py") == 0o444)
    }

    @Test func theDigestIsOfTheContentNotOfThePacking() async throws {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        defer { cleanUp(store) }
        var tar = TarBuilder()
        tar.add("b/c", "2")
        tar.add("a", "1")
        let zip = ZipBuilder([ZipBuilder.Member("a", "1"), ZipBuilder.Member("b/c", "2")])
        let digest = try await store.put(zip.build(), filename: "x.zip", isProgram: false).digest
        #expect(digest.count == 64)
        #expect(try await store.put(tar.build(), filename: "x.tar", isProgram: false).digest == digest)
        let packed = ZipBuilder.gzip(tar.build())
        #expect(try await store.put(packed, filename: "x.TGZ", isProgram: false).digest == digest)
        #expect(try names(store.path) == [digest])
        var others: Set<String> = [digest]
        for (first, second) in [("a", "b/cc"), ("aa", "b/c")] {
            let other = ZipBuilder([ZipBuilder.Member(first, "1"), ZipBuilder.Member(second, "2")])
            others.insert(try await store.put(other.build(), filename: "x.zip", isProgram: false).digest)
        }
        var executable = zip
        executable.members[0].mode = 0o100755
        others.insert(try await store.put(executable.build(), filename: "x.zip", isProgram: false).digest)
        #expect(others.count == 4, "name, content and executable bit all count")
    }

    @Test func aSingleFileIsCodeToo() async throws {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        defer { cleanUp(store) }
        let code = try await store.put(Array("x".utf8), filename: "some/where/checksum.py", isProgram: false)
        #expect(code.files == ["checksum.py"] && code.programs.isEmpty)
        let program = try await store.put(Array("x".utf8), filename: "checksum.py", isProgram: true)
        #expect(program.programs == ["checksum.py"] && program.digest != code.digest)
        for name in ["..", "a/..", ".", ""] {
            await #expect(throws: ArchiveError.self) { try await store.put([1], filename: name, isProgram: false) }
        }
        #expect(try names(store.path).count == 2, "nothing is left of what was refused")
    }

    @Test func aRefusedArchiveLeavesNothing() async throws {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        var bad = ZipBuilder.Member("z", "damaged")
        bad.crc = 1
        for archive in [
            ZipBuilder([ZipBuilder.Member("a/b/c", "1"), bad]), ZipBuilder([ZipBuilder.Member("../x", "1")]),
            ZipBuilder([]),
        ] {
            await #expect(throws: ArchiveError.self) {
                try await store.put(archive.build(), filename: "x.zip", isProgram: false)
            }
        }
        #expect(try names(store.path).isEmpty)
        #expect(try names(folder.path) == ["code"])
    }

    @Test func theSameCodePutByManyAtOnceIsThereOnce() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("code")
        // Two stores on one folder, as two processes have them.
        let stores = [try CodeStore(path: path), try CodeStore(path: path)]
        defer { cleanUp(stores[0]) }
        let zip = ZipBuilder([ZipBuilder.Member("main.py", "x = 1\n")]).build()
        let digests = try await withThrowingTaskGroup(of: String.self) { group in
            for index in 0..<32 {
                group.addTask { try await stores[index % 2].put(zip, filename: "x.zip", isProgram: false).digest }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(digests.count == 1)
        #expect(try names(path) == Array(digests))
    }

    @Test func halfWrittenLeftoversGoAtStart() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("code")
        for name in [".incoming-1/lib", ".trash-2"] {
            try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
        }
        try "x".write(toFile: path + "/.incoming-1/lib/a", atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: path + "/.incoming-1/lib")
        let store = try CodeStore(path: path)
        #expect(try names(store.path).isEmpty)
    }

    @Test func aCollectionTakesOnlyWhatNobodyHoldsOrNames() async throws {
        let folder = try TemporaryDirectory()
        let store = try CodeStore(path: folder.file("code"))
        defer { cleanUp(store) }
        var codes: [StoredCode] = []
        for text in ["named", "held", "free", "let go meanwhile"] {
            codes.append(try await store.put(Array(text.utf8), filename: "main.py", isProgram: false))
        }
        let (named, held, free, late) = (codes[0], codes[1], codes[2], codes[3])
        store.release(named)
        store.release(free)
        let gone = await store.collect { () async -> Set<String> in
            // Registered after the collection asked: what it was told does not hold it.
            store.release(late)
            return [named.digest]
        }
        #expect(gone == [free.digest])
        #expect(Set(try names(store.path)) == [named.digest, held.digest, late.digest])
        #expect(await store.collect { () async -> Set<String> in [named.digest] } == [late.digest])
        store.release(held)
        #expect(await store.collect { () async -> Set<String> in [] }.count == 2)
        #expect(try names(store.path).isEmpty)
    }

    @Test func aLinkInTheFolderIsNotFollowed() throws {
        let folder = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: folder.file("outside"), withIntermediateDirectories: true)
        var code = try CodeFolder(creating: folder.file("inside"))
        defer { code.close() }
        // As if someone had slipped a link in between the judging and the writing.
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("inside/link"), withDestinationPath: folder.file("outside"))
        #expect(throws: ArchiveError.self) { try code.begin(ArchiveEntry(path: "link/evil")) }
        #expect(throws: ArchiveError.self) { try code.begin(ArchiveEntry(path: "../outside/evil")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("outside")).isEmpty)
    }
}
