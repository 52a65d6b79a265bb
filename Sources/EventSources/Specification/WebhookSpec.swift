import CloudEvents
import Manifest
package import Outbound
package import StorageEvents

/// Requests that others send when something happens, as a person specifies them.
package struct WebhookSpec: Sendable, Hashable {
    /// What the requests are.
    package enum Format: Sendable, Hashable {
        case github
        case gitlab
        /// Records of a storage system.
        case records(StorageEventFormat)

        package var word: String {
            switch self {
            case .github: "github"
            case .gitlab: "gitlab"
            case .records(let format): format.rawValue
            }
        }
    }

    package var format: Format
    /// What the sender proves that it knows.
    package var secret: SecretReference
    /// The name of a system whose records do not tell it.
    package var system: String?

    /// Formats that nobody posts.
    private static let unfit: Set<StorageEventFormat> = [.billingText, .billing, .sse]
    static let formats =
        (["github", "gitlab"] + StorageEventFormat.allCases.filter { !unfit.contains($0) }.map(\.rawValue)).sorted()

    package init(format: Format, secret: SecretReference) {
        self.format = format
        self.secret = secret
    }

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        guard let word = try reader.word("format", of: Self.formats) else {
            throw DocumentError(
                path: reader.path(of: "format"),
                message: "this is required: one of \(Self.formats.joined(separator: ", "))")
        }
        switch word {
        case "github": format = .github
        case "gitlab": format = .gitlab
        default: format = .records(StorageEventFormat(rawValue: word) ?? .cloudEvents)
        }
        guard let secret = try reader.secret("secret") else {
            throw DocumentError(
                path: reader.path(of: "secret"),
                message: "this is required: nobody may write events without showing that he may")
        }
        self.secret = secret
        system = try reader.string("system")
    }

    func write(into object: inout JSONObject) {
        object["format"] = .string(format.word)
        object["secret"] = secret.document
        if let system { object["system"] = .string(system) }
    }
}
