internal import Functions
internal import Identity
internal import Synchronization

/// What registries let us in with, kept until it ends.
final class RegistryTokens: Sendable {
    /// Whose the access is: other credentials, another header.
    struct Key: Hashable {
        var repository: String
        var username: String?
    }

    /// The value of an `Authorization` header.
    struct Access: Sendable {
        var header: Secret
        /// Milliseconds since 1970.
        var until: Int64
    }

    private let state = Mutex<[Key: Access]>([:])

    func find(_ key: Key, now: Int64) -> Secret? {
        state.withLock { known in
            guard let access = known[key] else { return nil }
            guard access.until > now else {
                known[key] = nil
                return nil
            }
            return access.header
        }
    }

    func keep(_ key: Key, _ access: Access) {
        state.withLock { known in
            // One for each repository of which images came; far more than that is somebody's game.
            if known.count >= 10_000 { known = [:] }
            known[key] = access
        }
    }

    func forget(_ key: Key) { state.withLock { $0[key] = nil } }
}
