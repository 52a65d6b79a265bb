import CloudEvents
import Foundation
import Manifest
import Outbound
import TestSupport
import Testing

@Suite("Secrets are named, never written")
struct SecretTests {
    private func error(_ body: () throws(SecretError) -> Void) -> SecretError? {
        do throws(SecretError) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private func folder() throws -> (TemporaryDirectory, SecretStore) {
        let folder = try TemporaryDirectory("weir-secrets")
        try FileManager.default.createDirectory(
            atPath: folder.file("default"), withIntermediateDirectories: true)
        return (folder, .folder(folder.path))
    }

    private func write(_ folder: TemporaryDirectory, _ name: String, _ text: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder.file(name))
    }

    @Test("a value is read as it is now, without the line end of an editor")
    func values() throws {
        let (folder, store) = try folder()
        try write(folder, "default/token", "abc\r\n")
        #expect(try store.text(.init("token"), namespace: "default") == "abc")
        try write(folder, "default/token", "def")
        #expect(try store.text(.init("token"), namespace: "default") == "def")
    }

    @Test("what is missing, open to others, empty or no text is said")
    func faults() throws {
        let (folder, store) = try folder()
        #expect(error { () throws(SecretError) in _ = try store.value("default", "x") }?.code == .missing)
        #expect(error { () throws(SecretError) in _ = try store.value("other", "x") }?.code == .missing)
        try write(folder, "default/open", "abc", mode: 0o644)
        let open = error { () throws(SecretError) in _ = try store.value("default", "open") }
        #expect(open?.code == .exposed && open?.message.contains("chmod 600") == true)
        #expect(open?.message.contains("abc") == false)
        try write(folder, "default/empty", "\n")
        #expect(error { () throws(SecretError) in _ = try store.value("default", "empty") }?.code == .unusable)
        try write(folder, "default/lines", "a\nb\nc")
        #expect(
            error { () throws(SecretError) in _ = try store.text(.init("lines"), namespace: "default") }?.code
                == .unusable)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("default/link"), withDestinationPath: folder.file("default/open"))
        #expect(error { () throws(SecretError) in _ = try store.value("default", "link") } != nil)
    }

    private func message(_ value: JSONValue, _ read: (inout DocumentReader) throws(DocumentError) -> Void) -> String {
        do throws(DocumentError) {
            var reader = try DocumentReader(value, path: "s")
            try read(&reader)
            try reader.finish()
            return "accepted"
        } catch {
            return error.description
        }
    }

    @Test("documents name secrets, and a value written there is refused")
    func documents() {
        func credential(_ value: JSONValue) -> String {
            message(value) { reader throws(DocumentError) in _ = try CredentialSpec(&reader) }
        }
        #expect(credential(["token": ["secret": "t"]]) == "accepted")
        #expect(credential(["user": "u", "password": ["secret": "p"]]) == "accepted")
        #expect(credential(["token": "abc"]).contains("s.token: a secret does not stand in a manifest"))
        #expect(credential(["token": ["secret": "../x"]]).contains("is no name"))
        #expect(credential(["token": ["secret": "t"], "user": "u"]).contains("not both"))
        #expect(credential(["user": "u"]).contains("s.password: this is required"))
        #expect(credential(["user": "a:b", "password": ["secret": "p"]]).contains("without \":\""))
        func tls(_ value: JSONValue) -> String {
            message(value) { reader throws(DocumentError) in _ = try TLSSpec(&reader) }
        }
        #expect(tls(["tls": ["trust": "/etc/grid-security/certificates"]]) == "accepted")
        #expect(tls(["tls": ["certificate": "/c.pem"]]).contains("s.tls.key"))
        #expect(tls(["tls": ["trust": "ca.pem"]]).contains("not an absolute path"))
    }

    @Test("a token goes as Bearer, a user and password as Basic")
    func headers() throws {
        let store = SecretStore { (_, name) throws(SecretError) in Array("value-of-\(name)".utf8) }
        #expect(
            try CredentialSpec.bearer(.init("t")).authorization(store, namespace: "n") == "Bearer value-of-t")
        #expect(
            try CredentialSpec.basic(user: "u", password: .init("p")).authorization(store, namespace: "n")
                == "Basic dTp2YWx1ZS1vZi1w")
    }
}
