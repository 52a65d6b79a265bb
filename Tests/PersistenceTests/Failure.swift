import Persistence

/// The error of a call that is expected to fail; `nil` when it did not.
func failure(of body: () async throws -> Void) async -> Persistence.PersistenceError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? Persistence.PersistenceError
    }
}
