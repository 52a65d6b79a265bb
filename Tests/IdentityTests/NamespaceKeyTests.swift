import CloudEvents
import Persistence
import TestSupport
import Testing

@testable import Identity

@Suite struct NamespaceKeyTests {
    private let folder: TemporaryDirectory
    private let registry: Registry
    private let writer: RegistryWriter

    init() throws {
        folder = try TemporaryDirectory("keys")
        registry = try Registry(Database(path: folder.file("registry.sqlite")))
        writer = RegistryWriter(registry, now: { 1 })
    }

    private func principal(_ ring: KeyRing, _ user: String, _ password: String) -> Principal? {
        let admin = AdminKeyAuthenticator(key: Secret("the admin's"))
        return try? ServerAuthenticator(admin: admin, keys: ring).principal(
            of: .basic(user: user, password: Secret(password)))
    }

    @Test func aKeyOpensItsNamespaceUntilItIsWithdrawn() async throws {
        let early = NamespaceKey()
        try await writer.put(.key, "guest", early.id, early.document(note: "laptop"))
        let ring = KeyRing(registry)
        let late = NamespaceKey()
        try await writer.put(.key, "other", late.id, late.document(note: nil))
        #expect(principal(ring, early.id, early.secret.reveal())?.namespace == "guest")
        #expect(principal(ring, late.id, late.secret.reveal())?.namespace == "other")
        #expect(principal(ring, late.id, late.secret.reveal())?.kind == .namespaceKey)
        for (user, password) in [
            (early.id, late.secret.reveal()), (early.id, ""), ("", early.secret.reveal()),
            (early.id, early.secret.reveal() + "x"),
        ] {
            #expect(principal(ring, user, password) == nil)
        }
        #expect(principal(ring, "anybody", "the admin's")?.kind == .adminKey)
        try await writer.delete(.key, "guest", early.id)
        #expect(principal(ring, early.id, early.secret.reveal()) == nil)
        #expect(!ring.isKnown(namespace: "guest") && ring.isKnown(namespace: "other"))
    }

    @Test func keysAreOfTheFormThatClientsKnowAndNothingOfThemIsKept() throws {
        let key = NamespaceKey()
        #expect(key.id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        #expect(key.secret.reveal().wholeMatch(of: /[0-9A-Za-z]{64}/) != nil)
        #expect(key.pair.reveal() == "\(key.id):\(key.secret.reveal())")
        #expect(!key.document(note: "n").text.contains(key.secret.reveal()))
        #expect(NamespaceKey().id != key.id)
    }

    @Test func theKeyOfARunIsOneAndEndsWithTheServer() throws {
        let ring = KeyRing(registry)
        let key = ring.temporaryKey(of: "guest")
        #expect(ring.temporaryKey(of: "guest").pair.reveal() == key.pair.reveal())
        #expect(principal(ring, key.id, key.secret.reveal())?.namespace == "guest")
        #expect(principal(KeyRing(registry), key.id, key.secret.reveal()) == nil)
    }

    @Test func aNamespacesKeyIsForItsNamespaceAlone() {
        let principal = Principal(id: "k", kind: .namespaceKey, namespace: "guest")
        let authorizer = KeyAuthorizer()
        for action in Identity.Action.allCases {
            for kind in [ResourceKind.function, .channel, .subscription, .package, .api, .activation] {
                #expect(authorizer.decide(principal, may: action, on: .init(kind, "guest", "x")).isAllowed)
                #expect(!authorizer.decide(principal, may: action, on: .init(kind, "other", "x")).isAllowed)
            }
            for kind in [ResourceKind.server, .key] {
                #expect(!authorizer.decide(principal, may: action, on: .init(kind, "guest")).isAllowed)
            }
        }
        #expect(authorizer.decide(principal, may: .read, on: .init(.source, "guest")).isAllowed)
        #expect(!authorizer.decide(principal, may: .write, on: .init(.source, "guest", "x")).isAllowed)
    }
}
