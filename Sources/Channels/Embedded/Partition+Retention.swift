import Synchronization

extension Partition {
    /// Ends the segment that is written to when its time has come, so that age retention works on quiet channels;
    /// blocks.
    ///
    /// - Parameters:
    ///   - segmentAge: a segment is ended when its first record is older, in milliseconds.
    ///   - expiry: records appended before this time are no longer wanted.
    func rollIfOld(now: Int64, segmentAge: Int64, expiry: Int64?) throws(ChannelError) {
        try writer.withLock { writer throws(ChannelError) in
            guard writer.failure == nil, let first = writer.firstAppended else { return }
            let last = state.withLock { $0.lastAppended }
            guard now - first >= segmentAge || expiry.map({ last < $0 }) ?? false else { return }
            try roll(created: max(now, last), &writer)
        }
    }

    /// The sealed segments, oldest first: their size and the time of their last record.
    func sealed() -> [(base: UInt64, bytes: Int, lastAppended: Int64)] {
        state.withLock { state in
            state.segments.compactMap { segment in
                segment.summary.map { (segment.base, $0.size, $0.lastAppended) }
            }
        }
    }

    /// Removes the first `count` segments, which must be sealed; blocks.
    func remove(first count: Int) throws(ChannelError) {
        guard count > 0 else { return }
        // The writer's lock keeps a roll from changing the list meanwhile.
        try writer.withLock { _ throws(ChannelError) in
            let segments = state.withLock { $0.segments }
            precondition(count < segments.count, "the segment that is written to cannot be removed")
            let floor = segments[count].base
            do throws(SystemError) {
                try RetentionFloor.write(floor, directory, environment.fileSystem)
                state.withLock { state in
                    state.floor = max(state.floor, floor)
                    state.segments.removeFirst(count)
                }
                for segment in segments.prefix(count) {
                    for suffix in [Segment.logSuffix, Segment.indexSuffix, Segment.identitySuffix] {
                        let path = path(segment.base, suffix)
                        environment.files.forget(path)
                        try environment.fileSystem.unlinkIfPresent(path)
                    }
                }
            } catch {
                throw error.channelError("removing old segments of \(directory)")
            }
        }
    }
}
