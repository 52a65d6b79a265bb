import CLinux
package import CloudEvents

/// What stands for an event's (`source`, `id`) in the duplicate window: 128 bits of keyed hash.
///
/// Keyed, so that nobody can make two events that collide; 128 bits, so that chance does not either.
package struct EventIdentity: Sendable, Hashable {
    package let low: UInt64
    package let high: UInt64

    package init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }
}

/// The secret of one channel's identities.
package struct IdentityKey: Sendable, Hashable {
    package let bytes: [UInt8]

    /// - Parameter bytes: 16 bytes.
    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == 16, "a SipHash key has 16 bytes")
        self.bytes = bytes
    }

    package static func random() -> IdentityKey {
        var generator = SystemRandomNumberGenerator()
        return IdentityKey((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    /// The hash of a message; SipHash-2-4-128.
    package func hash(_ bytes: UnsafeRawBufferPointer) -> EventIdentity {
        var low: UInt64 = 0
        var high: UInt64 = 0
        weir_siphash128(self.bytes, bytes.baseAddress, bytes.count, nil, 0, &low, &high)
        return EventIdentity(low: low, high: high)
    }

    /// The identity of an event, from its `source` and `id`.
    package func identity(of event: EventView) -> EventIdentity {
        let source = event.attribute("source")
        let id = event.attribute("id")
        var low: UInt64 = 0
        var high: UInt64 = 0
        weir_siphash128_pair(
            bytes, source?.baseAddress, source?.count ?? 0, id?.baseAddress, id?.count ?? 0, &low, &high)
        return EventIdentity(low: low, high: high)
    }

    /// A number that tells this key from another without giving it away.
    package var fingerprint: UInt64 { Array("fingerprint".utf8).withUnsafeBytes { hash($0).low } }
}
