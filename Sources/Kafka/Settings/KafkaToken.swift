/// A token for SASL/OAUTHBEARER (RFC 7628).
package struct KafkaToken: Sendable {
    package var value: String
    /// When it ends, in milliseconds since 1970; the client asks for another at four fifths of the way.
    package var expires: Int64
    /// Whom it stands for, as the broker may log it.
    package var principal: String

    package init(value: String, expires: Int64, principal: String) {
        self.value = value
        self.expires = expires
        self.principal = principal
    }
}

/// Gets a token whenever the client needs one: at the start and before the last one ends.
package typealias KafkaTokenProvider = @Sendable () async throws -> KafkaToken
