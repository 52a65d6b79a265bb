/// A request to what listens in a container.
struct ContainerRequest: Sendable {
    var path: String
    var headers: [(name: String, value: String)]
    var body: [UInt8]
}

/// Its answer.
struct ContainerResponse: Sendable {
    var status: Int
    var headers: [(name: String, value: String)]
    /// At most as many bytes as are taken.
    var body: [UInt8]
    /// How long the body was, or would have been.
    var length: Int

    var isTruncated: Bool { length > body.count }

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name }?.value }
}

/// Why there is no answer.
enum ContainerExchangeError: Error, Sendable, Equatable {
    /// The connection was closed or broken before a whole answer had come; `began`: some of it had.
    case lost(began: Bool, String)
}
