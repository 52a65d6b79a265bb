import CloudEvents
import Synchronization

/// Records of one commit that go to one partition.
struct PartitionBatch: Sendable {
    var records: [EventRecord] = []
    var identities: [EventIdentity] = []
    var payloadBytes = 0

    mutating func add(_ record: EventRecord, _ identity: EventIdentity?) {
        records.append(record)
        if let identity { identities.append(identity) }
        payloadBytes += record.bytes.count
    }

    var bytes: Int { payloadBytes + records.count * RecordFrame.headerLength }
}

extension Partition {
    /// Writes a batch and returns when it is on disk; blocks.
    ///
    /// - Parameter now: the time, milliseconds since 1970; a clock that went back is held at the last record's time.
    /// - Returns: the offset of the first record.
    func write(_ batch: PartitionBatch, now: Int64, segmentBytes: Int) -> Result<UInt64, ChannelError> {
        writer.withLock { writer in
            do throws(ChannelError) {
                return .success(try write(batch, now: now, segmentBytes: segmentBytes, &writer))
            } catch {
                return .failure(error)
            }
        }
    }

    private func write(
        _ batch: PartitionBatch, now: Int64, segmentBytes: Int, _ writer: inout Writer
    ) throws(ChannelError) -> UInt64 {
        if let failure = writer.failure { throw failure }
        let (next, durable, lastBase, last) = state.withLock {
            ($0.next, $0.position, $0.segments[$0.segments.count - 1].base, $0.lastAppended)
        }
        var (position, base) = (durable, lastBase)
        let appended = max(now, last)
        let size = batch.bytes
        if position > SegmentHeader.length, position + size > segmentBytes {
            try roll(created: appended, &writer)
            base = next
            position = SegmentHeader.length
        }
        let path = path(base)
        let buffer = encode(batch, from: next, appended: appended)
        do throws(SystemError) {
            let file = try environment.files.file(path)
            do throws(SystemError) {
                try file.writeAll(buffer, at: position)
            } catch {
                try file.truncate(to: position)
                throw error
            }
        } catch {
            let failure = error.channelError("appending to \(directory)")
            if failure.code != .diskFull { writer.failure = Self.final(failure, directory) }
            throw failure
        }
        do throws(SystemError) {
            try environment.files.file(path).sync()
        } catch {
            // The pages may be gone although the file still shows them: it is cut back to what is known to be on disk,
            // so that nobody takes the cache's word for it, and not written to again.
            try? environment.files.file(path).truncate(to: position)
            environment.files.forget(path)
            let failure = ChannelError(.ioFailure, "appending to \(directory): \(error.text)")
            writer.failure = Self.final(failure, directory)
            throw failure
        }
        if writer.firstAppended == nil { writer.firstAppended = appended }
        writer.records += batch.records.count
        for identity in batch.identities { writer.identities.add(identity, appended: appended) }
        if writer.identities.wantsFlush { writer.identities.flush(environment.fileSystem, environment.files) }
        publish(batch, base: base, from: next, at: position, appended: appended)
        return next
    }

    private static func final(_ failure: ChannelError, _ directory: String) -> ChannelError {
        ChannelError(
            .ioFailure,
            "\(directory) takes no more events since its disk failed (\(failure.message)); check the disk, then restart"
        )
    }

    private func encode(_ batch: PartitionBatch, from first: UInt64, appended: Int64) -> [UInt8] {
        let salt = environment.salt
        return [UInt8](unsafeUninitializedCapacity: batch.bytes) { buffer, count in
            let target = UnsafeMutableRawBufferPointer(buffer)
            var offset = first
            for record in batch.records {
                count += record.bytes.withUnsafeBytes {
                    RecordFrame.write($0, offset: offset, appended: appended, salt: salt, into: target, at: count)
                }
                offset += 1
            }
        }
    }

    /// Lets readers see what is now on disk.
    private func publish(_ batch: PartitionBatch, base: UInt64, from first: UInt64, at start: Int, appended: Int64) {
        let ready = state.withLock { state in
            var position = start
            for (index, record) in batch.records.enumerated() {
                state.index.note(
                    offset: first + UInt64(index), base: base, position: position, appended: appended)
                position += RecordFrame.headerLength + record.bytes.count
            }
            state.position = position
            state.next = first + UInt64(batch.records.count)
            state.lastAppended = appended
            return state.waiters.ready(next: state.next)
        }
        for waiter in ready { waiter.resume() }
    }

    /// Begins a new segment behind the last record and seals the one before.
    func roll(created: Int64, _ writer: inout Writer) throws(ChannelError) {
        let next = state.withLock { $0.next }
        let header = SegmentHeader(salt: environment.salt, base: next, created: created)
        let path = path(next)
        do throws(SystemError) {
            let file = try environment.fileSystem.open(path, create: true, truncate: true)
            do throws(SystemError) {
                try file.writeAll(header.bytes, at: 0)
                try file.sync()
                try environment.fileSystem.syncDirectory(directory)
            } catch {
                // It must not stay: the segment before may go on beyond the offset in its name.
                try environment.fileSystem.unlink(path)
                throw error
            }
            environment.files.keep(file, path)
        } catch {
            let failure = error.channelError("beginning \(path)")
            if failure.code != .diskFull { writer.failure = Self.final(failure, directory) }
            throw failure
        }
        seal(&writer, next: next)
        state.withLock { state in
            state.segments.append(Segment(header: header, summary: nil))
            state.index = IndexBuilder()
            state.position = SegmentHeader.length
        }
        writer.firstAppended = nil
        writer.records = 0
        writer.identities = IdentityFile.Writer(
            path: self.path(next, Segment.identitySuffix), base: next, key: environment.key)
        // The file's name, once there, tells of a segment that has gone missing.
        if environment.keepsIdentities { writer.identities.flush(environment.fileSystem, environment.files) }
    }

    /// Writes what stands beside a sealed segment. A failure costs a scan at the next start, nothing else.
    private func seal(_ writer: inout Writer, next: UInt64) {
        if writer.hasAllIdentities { writer.identities.seal(environment.fileSystem, environment.files) }
        let (summary, entries) = state.withLock { state in
            let last = state.segments.count - 1
            let summary = SegmentSummary(
                base: state.segments[last].base, end: next, size: state.position,
                firstAppended: writer.firstAppended ?? state.lastAppended, lastAppended: state.lastAppended,
                entries: state.index.entries.count, identities: writer.records)
            state.segments[last].summary = summary
            return (summary, state.index.entries)
        }
        writeIndex(summary, entries)
    }

    func writeIndex(_ summary: SegmentSummary, _ entries: [IndexEntry]) {
        let path = path(summary.base, Segment.indexSuffix)
        do throws(SystemError) {
            let file = try environment.fileSystem.open(path, create: true, truncate: true)
            try file.writeAll(summary.bytes(entries: entries), at: 0)
        } catch {
            environment.report("could not write an index, the next start will scan the segment: \(error.text)")
        }
        environment.files.forget(path)
    }
}
