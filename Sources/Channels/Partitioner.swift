package import CloudEvents

/// Which partition an event belongs to: events of one key stay in order.
///
/// The key is the attribute `partitionkey`, else the directory of `subject`, else `source`. The hash is FNV-1a with a
/// final mix and will stay what it is, because a key must find its partition again after a restart.
package enum Partitioner {
    /// The key's bytes; they lie within the event's.
    package static func key(of event: EventView) -> UnsafeRawBufferPointer? {
        if let key = event.attribute("partitionkey"), !key.isEmpty { return key }
        if let subject = event.attribute("subject") {
            // "/a" lies in "/", "a" has no directory: then the whole subject is the key.
            guard let slash = subject.lastIndex(of: 0x2F) else { return subject }
            return UnsafeRawBufferPointer(rebasing: subject[..<max(slash, 1)])
        }
        return event.attribute("source")
    }

    package static func partition(of event: EventView, among count: Int) -> Int {
        guard count > 1, let key = key(of: event) else { return 0 }
        return Int(hash(key) % UInt64(count))
    }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        // FNV's low bits are weak; this is SplitMix64's finalizer.
        state = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
        return state ^ (state >> 31)
    }
}
