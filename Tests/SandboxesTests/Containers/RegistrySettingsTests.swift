import CloudEvents
import Functions
import Identity
import Manifest
import Testing

@testable import Sandboxes

@Suite struct RegistrySettingsTests {
    private func settings(_ document: JSONValue) throws(DocumentError) -> RegistrySettings {
        try RegistrySettings(document) { (path) throws(DocumentError) in
            guard path == "/secret" else { throw DocumentError(path: path, message: "cannot be read") }
            return "from a file\nsecond line\n"
        }
    }

    @Test func credentialsAreReadAndNeverShown() throws {
        let settings = try settings([
            "registries": [
                "registry.example.org": ["username": "robot", "password": "hidden-word"],
                "10.0.0.1:5000": ["username": "r", "passwordFile": "/secret", "http": true, "namespaces": ["a"]],
            ]
        ])
        #expect(settings.credentials("registry.example.org", namespace: "x")?.password.reveal() == "hidden-word")
        #expect(settings.credentials("10.0.0.1:5000", namespace: "a")?.password.reveal() == "from a file")
        #expect(
            settings.credentials("10.0.0.1:5000", namespace: "b") == nil, "of other namespaces' functions they are not")
        #expect(settings.credentials("other.org", namespace: "a") == nil)
        #expect(!"\(settings)".contains("hidden-word") && !String(reflecting: settings).contains("hidden-word"))
        #expect(settings.isPlain(try ImageReference("10.0.0.1:5000/x")))
        #expect(!settings.isPlain(try ImageReference("registry.example.org/x")))
        #expect(settings.isPlain(try ImageReference("localhost:5000/x")), "on this machine TLS is not expected")
        #expect(settings.isOpen(try ImageReference("registry.example.org/x"), to: "b"))
        #expect(!settings.isOpen(try ImageReference("10.0.0.1:5000/x"), to: "b"))
    }

    @Test func dockersOwnFileIsReadToo() throws {
        let settings = try settings([
            "auths": [
                "https://index.docker.io/v1/": ["auth": .string(Base64.encode(Array("me:pass:word".utf8)))],
                "registry.example.org": [:],
            ]
        ])
        #expect(settings.credentials("docker.io", namespace: "x")?.username == "me")
        #expect(settings.credentials("docker.io", namespace: "x")?.password.reveal() == "pass:word")
    }

    @Test func otherRegistriesCanBeForbidden() throws {
        let settings = try settings(["registries": ["good.org": [:]], "only": true])
        try settings.check(try ImageReference("good.org/x"))
        #expect(throws: ContainerError.self) { try settings.check(try ImageReference("busybox")) }
    }

    @Test func mistakesAreNamed() {
        let cases: [(JSONValue, String)] = [
            (["registries": ["a.org": ["user": "x"]]], "registries.a.org.user: this key is unknown"),
            (
                ["registries": ["a.org": ["username": "x"]]],
                "registries.a.org: a username and a password belong together"
            ),
            (["registries": ["a.org/x": [:]]], "registries.a.org/x: \"a.org/x\" is no host"),
            (["registries": ["a": [:]]], "registries.a: \"a\" is no host"),
            (["registries": ["a.org": ["password": "x", "passwordFile": "/secret"]]], "registries.a.org.passwordFile"),
            (["registries": ["a.org": ["username": "x", "passwordFile": "/no"]]], "/no: cannot be read"),
            (["auths": ["a.org": ["auth": "***"]]], "auths.a.org.auth: this is not name:password"),
        ]
        for (document, text) in cases {
            do {
                _ = try settings(document)
                Issue.record("accepted \(document.text)")
            } catch {
                #expect(error.description.contains(text), "\(error)")
            }
        }
    }
}
