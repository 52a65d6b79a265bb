import Persistence
import Testing

@testable import Identity

@Suite struct CredentialTests {
    private func text(_ value: String) -> String {
        do throws(IdentityError) {
            switch try Credential(authorization: value) {
            case .bearer(let secret): return "bearer " + secret.reveal()
            case .basic(let user, let password): return "basic \(user) \(password.reveal())"
            }
        } catch {
            return error.message
        }
    }

    @Test(arguments: [
        ("Bearer abc.DEF-_~+/==", "bearer abc.DEF-_~+/=="),
        ("bearer  x", "bearer x"),
        ("Basic dXNlcjpwYTpzcw==", "basic user pa:ss"),
        ("Basic Ong=", "basic  x"),
        ("Bearer", "the Authorization field says Bearer, but no token follows"),
        ("Bearer a b", "the Authorization field says Bearer, but no token follows"),
        ("Bearer a\u{0}", "the Authorization field says Bearer, but no token follows"),
        ("Basic !!!", "the Authorization field says Basic, but no base64 of \"user:password\" follows"),
        ("Basic dXNlcg==", "the Authorization field says Basic, but no base64 of \"user:password\" follows"),
        ("Digest x", "the Authorization field must begin with Bearer or Basic"),
        ("", "the Authorization field must begin with Bearer or Basic"),
    ])
    func authorizationFields(_ value: String, _ expected: String) {
        #expect(text(value) == expected)
    }

    @Test func aVeryLongFieldIsRefused() {
        #expect(
            text("Bearer " + String(repeating: "a", count: 70_000)) == "the Authorization field is longer than 64 KiB")
    }

    @Test func aSecretIsNeverShown() {
        let secret = Secret("weir_hidden")
        var dumped = ""
        dump(Credential.basic(user: "u", password: secret), to: &dumped)
        dump(AdminKeyAuthenticator(key: secret), to: &dumped)
        let shown = "\(secret) \(String(reflecting: secret)) \(Credential.bearer(secret)) \([secret]) \(dumped)"
        #expect(!shown.contains("hidden"))
        #expect("\(secret)" == "<redacted>")
    }

    @Test func theAdminKeyIsKnownInBothForms() throws {
        let authenticator = AdminKeyAuthenticator(key: Secret("weir_right"))
        let expected = Principal(id: "admin", kind: .adminKey, namespace: "default")
        #expect(try authenticator.principal(of: .bearer(Secret("weir_right"))) == expected)
        #expect(try authenticator.principal(of: .basic(user: "x", password: Secret("weir_right"))) == expected)
        for wrong in ["weir_righ", "weir_right ", "", "weir_wrong"] {
            #expect(throws: IdentityError(.unknown, "this key is not the server's admin key")) {
                try authenticator.principal(of: .bearer(Secret(wrong)))
            }
        }
    }

    @Test func theAdminMayDoAllAndSeeAll() {
        let admin = Principal(id: "admin", kind: .adminKey, namespace: "default")
        for action in Action.allCases {
            let decision = KeyAuthorizer().decide(
                admin, may: action, on: ResourceReference(.channel, "other", "storage"))
            #expect(decision == .allowed(visible: .all))
        }
    }
}
