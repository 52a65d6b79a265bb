import Synchronization

extension EmbeddedChannel {
    /// Removes what the settings no longer want, and ends segments whose time has come.
    ///
    /// To be called now and then; nothing is removed between calls.
    ///
    /// - Parameter now: milliseconds since 1970.
    package func maintain(now: Int64) async throws(ChannelError) {
        let outcome = await exclusively { () -> Result<Void, ChannelError> in
            do throws(ChannelError) { return .success(try self.retain(now: now)) } catch { return .failure(error) }
        }
        try outcome.get()
    }

    private func retain(now: Int64) throws(ChannelError) {
        let settings = settings.withLock { $0 }
        let expiry = settings.spec.retentionAge.map { now - $0 }
        // A tenth of the age: so much longer than wanted an event stays at most.
        let segmentAge = min(max((settings.spec.retentionAge ?? .max) / 10, 1_000), 86_400_000)
        for partition in settings.partitions {
            try partition.rollIfOld(now: now, segmentAge: segmentAge, expiry: expiry)
            if let expiry {
                try partition.remove(first: partition.sealed().prefix { $0.lastAppended < expiry }.count)
            }
        }
        if let limit = settings.spec.retentionBytes { try shrink(settings.partitions, to: UInt64(limit)) }
    }

    /// Removes the oldest segments of all partitions until the rest is small enough.
    private func shrink(_ partitions: [Partition], to limit: UInt64) throws(ChannelError) {
        var total = partitions.reduce(0) { $0 + $1.bounds.bytes }
        let sealed = partitions.map { $0.sealed() }
        var removed = [Int](repeating: 0, count: partitions.count)
        while total > limit {
            var oldest: (partition: Int, at: Int64)?
            for index in partitions.indices where removed[index] < sealed[index].count {
                let at = sealed[index][removed[index]].lastAppended
                if oldest.map({ at < $0.at }) ?? true { oldest = (index, at) }
            }
            guard let oldest else { break }
            total -= min(total, UInt64(sealed[oldest.partition][removed[oldest.partition]].bytes))
            removed[oldest.partition] += 1
        }
        for (index, count) in removed.enumerated() { try partitions[index].remove(first: count) }
    }
}
