import Synchronization

/// Where this server is reached; known once it listens.
final class ServerAddress: Sendable {
    private let text = Mutex("")

    var url: String { text.withLock { $0 } }

    func set(_ url: String) { text.withLock { $0 = url } }
}
