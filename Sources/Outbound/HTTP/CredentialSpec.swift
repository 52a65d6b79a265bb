package import CloudEvents
package import Manifest

/// How the server shows who it is: `token` (Bearer: an OIDC token or a macaroon), or `user` and `password`.
package enum CredentialSpec: Sendable, Hashable {
    case none
    case bearer(SecretReference)
    case basic(user: String, password: SecretReference)

    package init(_ reader: inout DocumentReader) throws(DocumentError) {
        let token = try reader.secret("token")
        let user = try reader.string("user")
        let password = try reader.secret("password")
        switch (token, user, password) {
        case (let token?, nil, nil): self = .bearer(token)
        case (nil, let user?, let password?):
            guard !user.isEmpty, !user.contains(":") else {
                throw DocumentError(path: reader.path(of: "user"), message: "a user name without \":\" was expected")
            }
            self = .basic(user: user, password: password)
        case (nil, nil, nil): self = .none
        case (_?, _, _):
            throw DocumentError(
                path: reader.path(of: "token"), message: "write a token, or user and password, not both")
        case (nil, nil, _?):
            throw DocumentError(path: reader.path(of: "user"), message: "this is required with a password")
        case (nil, _?, nil):
            throw DocumentError(path: reader.path(of: "password"), message: "this is required with a user")
        }
    }

    package func write(into object: inout JSONObject) {
        switch self {
        case .none: break
        case .bearer(let token): object["token"] = token.document
        case .basic(let user, let password):
            object["user"] = .string(user)
            object["password"] = password.document
        }
    }

    /// The value of the `Authorization` header; `nil`: none is sent.
    package func authorization(_ secrets: SecretStore, namespace: String) throws(SecretError) -> String? {
        switch self {
        case .none: return nil
        case .bearer(let token): return "Bearer " + (try secrets.text(token, namespace: namespace))
        case .basic(let user, let password):
            let pair = user + ":" + (try secrets.text(password, namespace: namespace))
            return "Basic " + Base64.encode(Array(pair.utf8))
        }
    }
}
