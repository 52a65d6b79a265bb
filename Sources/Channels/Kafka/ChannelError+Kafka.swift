import Kafka

extension ChannelError {
    /// What Kafka could not do, in the words of channels.
    init(_ error: KafkaError) {
        let code: Code =
            switch error.code {
            case .tooLarge: .recordTooLarge
            case .authentication, .authorization: .denied
            case .closed: .closed
            case .outOfRange: .outOfRange
            case .configuration, .topicExists: .conflict
            case .damaged: .format
            case .unavailable, .timedOut, .unknownTopic, .unconfirmed, .fenced, .cancelled, .fatal, .other: .unavailable
            }
        self.init(code, error.message)
    }
}

/// Runs a call of Kafka's within a function of a channel.
func onKafka<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws(KafkaError) -> Value
) async throws(ChannelError) -> Value {
    do throws(KafkaError) { return try await body() } catch { throw ChannelError(error) }
}
