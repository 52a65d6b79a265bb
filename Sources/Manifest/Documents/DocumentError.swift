/// Why a document (a resource in a manifest or in a request) is not acceptable, and where.
public struct DocumentError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The place, as a person would write it: `subscriptions.new-raw-files.delivery.retry.attempts`; empty for the top.
    public let path: String
    /// What is wrong and what would be right, as a sentence.
    public let message: String

    public init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}
