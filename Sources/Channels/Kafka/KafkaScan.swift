import Kafka

/// Reads a partition from an offset to where it ends when the reading begins (or a little further).
struct KafkaScan: Sendable {
    let connection: KafkaConnection
    let partition: TopicPartition
    /// For how long nothing may come, in milliseconds.
    let patience: Int64

    /// Calls `body` with each record. An offset that is no longer there begins at the oldest that is.
    func run(from offset: Int64, _ body: (KafkaMessageView) -> Void) async throws(KafkaError) {
        let reader = try connection.scanner()
        var start = offset
        while true {
            guard let cursor = try reader.open(partition, at: start) else {
                // Another scan of the same partition; it ends soon.
                try? await Task.sleep(for: .milliseconds(10))
                if Task.isCancelled { throw KafkaError(.cancelled, "reading \(partition) was given up") }
                continue
            }
            let outcome = await toEnd(cursor, body)
            await cursor.close()
            switch outcome {
            case .success: return
            case .failure(let error) where error.code == .outOfRange:
                let bounds = try await reader.bounds(partition)
                if start > bounds.lowerBound, start <= bounds.upperBound { throw error }
                // Beyond the end there is nothing; before the beginning it begins there.
                if start > bounds.upperBound { return }
                start = bounds.lowerBound
            case .failure(let error): throw error
            }
        }
    }

    private func toEnd(
        _ cursor: KafkaCursor, _ body: (KafkaMessageView) -> Void
    ) async -> Result<Void, KafkaError> {
        var last = ContinuousClock.now
        var failure: KafkaError?
        while true {
            let found = cursor.take(256, body)
            if let error = found.error {
                if error.code == .outOfRange { return .failure(error) }
                failure = error
            }
            if found.end != nil { return .success(()) }
            if found.messages > 0 {
                last = .now
                continue
            }
            if Task.isCancelled { return .failure(KafkaError(.cancelled, "reading \(cursor.partition) was given up")) }
            guard ContinuousClock.now - last < .milliseconds(patience) else {
                return .failure(
                    failure
                        ?? KafkaError(.timedOut, "\(cursor.partition) cannot be read: nothing came for \(patience) ms"))
            }
            await cursor.wait(milliseconds: 200)
        }
    }
}
