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
        let bounds = try await connection.bounds(partition, awaitsTopic: true)
        var start = max(offset, bounds.lowerBound)
        while start < bounds.upperBound {
            guard let cursor = try reader.open(partition, at: start) else {
                // Another scan of the same partition; it ends soon.
                try? await Task.sleep(for: .milliseconds(10))
                if Task.isCancelled { throw KafkaError(.cancelled, "reading \(partition) was given up") }
                continue
            }
            let outcome = await read(cursor, Span(next: start, end: bounds.upperBound), body)
            await cursor.close()
            switch outcome {
            case .success: return
            case .failure(let error) where error.code == .outOfRange:
                // What was there has expired meanwhile.
                let now = try await connection.bounds(partition)
                guard start < now.lowerBound else { throw error }
                start = now.lowerBound
            case .failure(let error): throw error
            }
        }
    }

    /// What is still to be read.
    ///
    /// Where it ends the leader has said, who is asked (`ListOffsets`, KIP-207). Who is read from may not have got as far and
    /// call an earlier place the end: a replica nearby (`client.rack`, KIP-392), a leader that has just become one.
    struct Span {
        var next: Int64
        let end: Int64

        var isEmpty: Bool { next >= end }

        mutating func pass(_ offset: Int64) { next = max(next, offset) }
    }

    private func read(
        _ cursor: KafkaCursor, _ span: Span, _ body: (KafkaMessageView) -> Void
    ) async -> Result<Void, KafkaError> {
        var span = span
        var last = ContinuousClock.now
        var failure: KafkaError?
        while true {
            let found = cursor.take(256) { message in
                body(message)
                span.pass(message.offset + 1)
            }
            // Behind the last record there may be offsets that no record has.
            if let end = found.end { span.pass(end) }
            if span.isEmpty { return .success(()) }
            if let error = found.error {
                if error.code == .outOfRange { return .failure(error) }
                failure = error
            }
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
