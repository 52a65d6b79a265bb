/// How long is waited for what librdkafka does only when a broker is there: ten seconds.
enum Patience {
    /// Waits for something, and has it ended by `giveUp` when it takes too long.
    static func wait<Success: Sendable>(
        _ giveUp: @escaping @Sendable () -> Void, for body: () async -> Success
    ) async -> Success {
        // The clock of this wait alone; it is stopped when that is over.
        let clock = Task {
            guard (try? await Task.sleep(for: .seconds(10))) != nil else { return }
            giveUp()
        }
        defer { clock.cancel() }
        return await body()
    }
}
