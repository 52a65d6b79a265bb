/// Finds out who asks.
package protocol Authenticator: Sendable {
    /// - Throws: ``IdentityError`` `unknown` when nobody is known by this credential.
    func principal(of credential: Credential) throws(IdentityError) -> Principal
}

/// Knows the holder of the admin key, brought as a bearer token or as the password of any user.
package struct AdminKeyAuthenticator: Authenticator {
    private let key: Secret

    package init(key: Secret) {
        self.key = key
    }

    package func principal(of credential: Credential) throws(IdentityError) -> Principal {
        let offered =
            switch credential {
            case .bearer(let secret): secret
            case .basic(_, let password): password
            }
        guard offered.matches(key) else {
            throw IdentityError(.unknown, "this key is not the server's admin key")
        }
        return Principal(id: "admin", kind: .adminKey, namespace: "default")
    }
}
