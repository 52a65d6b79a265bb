import Testing

@testable import Sandboxes

@Suite struct RegistryChallengeTests {
    @Test func challengesOfRealRegistriesAreRead() {
        #expect(
            RegistryChallenge([
                #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull""#
            ])
                == .bearer(
                    realm: "https://auth.docker.io/token", service: "registry.docker.io",
                    scope: "repository:library/busybox:pull"))
        #expect(RegistryChallenge([#"Basic realm="Registry Realm""#]) == .basic)
        #expect(
            RegistryChallenge([#"Basic realm="a, b=c", Bearer realm = "https://t/" , service=plain"#])
                == .bearer(realm: "https://t/", service: "plain", scope: nil), "bearer is preferred, spaces are allowed"
        )
        #expect(
            RegistryChallenge([#"BEARER Realm="a\"b""#]) == .bearer(realm: "a\"b", service: nil, scope: nil),
            "names in any case, escapes taken out")
        #expect(RegistryChallenge(["Negotiate", "Basic"]) == .basic)
    }

    @Test(arguments: ["", "Negotiate abc==", "Bearer", "Bearer service=x", ",,,", "=", "\"", "Bearer realm", "basic=x"])
    func whatIsNoneIsNone(_ header: String) { #expect(RegistryChallenge([header]) == nil) }
}
