import Foundation
import TestSupport
import Testing

@testable import Identity

@Suite struct AdminKeyFileTests {
    private func message(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test func theKeyIsMadeOnceAndReadableByItsOwnerAlone() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("admin.key")
        #expect(try AdminKeyFile.read(path) == nil)
        let (key, isNew) = try AdminKeyFile.open(at: path)
        #expect(isNew)
        // 256 bits are 43 letters of base64url.
        #expect(key.reveal().hasPrefix("weir_") && key.reveal().count == 48)
        #expect(key.reveal().utf8.allSatisfy { $0 < 0x80 } && !key.reveal().contains("+"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let again = try AdminKeyFile.open(at: path)
        #expect(!again.isNew)
        #expect(again.key.matches(key))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["admin.key"])
    }

    @Test func twoServersThatStartTogetherAgree() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("admin.key")
        let keys = try await withThrowingTaskGroup(of: (String, Bool).self) { group in
            for _ in 0..<16 {
                group.addTask {
                    let (key, isNew) = try AdminKeyFile.open(at: path)
                    return (key.reveal(), isNew)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(keys.map(\.0)).count == 1)
        #expect(keys.filter(\.1).count == 1)
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o660, 0o601])
    func aKeyThatOthersCanReadIsRefused(_ mode: Int) throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("admin.key")
        _ = try AdminKeyFile.open(at: path)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        #expect(
            message { _ = try AdminKeyFile.open(at: path) }
                == "\(path): others can read the admin key; run \"chmod 600 \(path)\", "
                + "or delete the file for a new key if someone may have read it")
    }

    @Test func whatIsNoKeyIsRefused() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("admin.key")
        let refusal = "\(path): this is no admin key; delete the file and a new one is made at the next start"
        for text in ["", "weir_short\n", "hello", String(repeating: "weir_", count: 200)] {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            #expect(message { _ = try AdminKeyFile.open(at: path) } == refusal)
        }
    }

    @Test func aLinkAFolderAndAMissingFolderAreRefused() throws {
        let folder = try TemporaryDirectory()
        _ = try AdminKeyFile.open(at: folder.file("real"))
        let link = folder.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder.file("real"))
        #expect(
            message { _ = try AdminKeyFile.open(at: link) }
                == "\(link): the key's file is a symbolic link; put the file itself there")
        #expect(
            message { _ = try AdminKeyFile.open(at: folder.path) }
                == "\(folder.path): the key's file is no regular file; move it away")
        let absent = folder.file("absent/key")
        #expect(
            message { _ = try AdminKeyFile.open(at: absent) }
                == "\(absent): cannot make the key's file: No such file or directory")
    }
}
