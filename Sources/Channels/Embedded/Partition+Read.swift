import CloudEvents
import Synchronization

extension Partition {
    /// What a read needs of the state, taken at one moment.
    struct Snapshot {
        var floor: UInt64
        var segments: [Segment]
        var index: [IndexEntry]
        var position: Int
        var next: UInt64

        /// The place in `segments` of the one that holds an offset; `nil` before the first.
        func segment(of offset: UInt64) -> Int? {
            var low = 0
            var high = segments.count
            while low < high {
                let middle = (low + high) / 2
                if segments[middle].base <= offset { low = middle + 1 } else { high = middle }
            }
            return low > 0 ? low - 1 : nil
        }

        /// The offset behind the segment's last.
        func end(_ index: Int) -> UInt64 { index + 1 < segments.count ? segments[index + 1].base : next }

        func size(_ index: Int) -> Int { segments[index].summary?.size ?? position }
    }

    func snapshot() -> Snapshot {
        state.withLock {
            Snapshot(
                floor: $0.floor, segments: $0.segments, index: $0.index.entries, position: $0.position, next: $0.next)
        }
    }

    /// Reads records; blocks.
    func read(from offset: UInt64, limit: ReadLimit) throws(ChannelError) -> RecordBatch {
        let snapshot = snapshot()
        guard offset <= snapshot.next else {
            throw ChannelError(
                .outOfRange, "\(directory) ends at offset \(snapshot.next): there is nothing at \(offset) yet")
        }
        var gaps: [RecordBatch.Gap] = []
        var expected = offset
        func lose(to end: UInt64, _ reason: RecordBatch.Gap.Reason) {
            if let last = gaps.last, last.reason == reason, last.offsets.upperBound == expected {
                gaps[gaps.count - 1] = .init(offsets: last.offsets.lowerBound..<end, reason: reason)
            } else if expected < end {
                gaps.append(.init(offsets: expected..<end, reason: reason))
            }
            expected = max(expected, end)
        }
        if expected < snapshot.floor { lose(to: min(snapshot.floor, snapshot.next), .expired) }
        while expected < snapshot.next {
            guard let index = snapshot.segment(of: expected) else {
                lose(to: snapshot.segments[0].base, .missing)
                continue
            }
            let bound = snapshot.end(index)
            do throws(SystemError) {
                let file = try environment.files.file(path(snapshot.segments[index].base))
                guard let place = try locate(expected, snapshot, index, file) else {
                    lose(to: bound, isAtEnd(snapshot, index, expected) ? .missing : .damaged)
                    continue
                }
                if place.offset > expected { lose(to: place.offset, .damaged) }
                let base = snapshot.segments[index].base
                let chunk = try Chunk(
                    file, salt: environment.salt, from: place.position,
                    end: snapshot.size(index), offset: expected, below: bound, limit: limit)
                if chunk.entries.isEmpty {
                    // Damage right here: find where it ends and remember it.
                    var reader = environment.reader(file, end: snapshot.size(index))
                    let next = try reader.resynchronise(
                        from: place.position + 1, offsets: (expected + 1)..<max(bound, expected + 1))
                    lose(to: next?.header.offset ?? bound, .damaged)
                    if let next {
                        state.withLock {
                            $0.cursors.note(offset: next.header.offset, base: base, position: next.position)
                        }
                    }
                    continue
                }
                expected += UInt64(chunk.entries.count)
                let end = expected
                state.withLock { $0.cursors.note(offset: end, base: base, position: chunk.end) }
                return RecordBatch(
                    partition: number, storage: chunk.storage, entries: chunk.entries, nextOffset: expected, gaps: gaps)
            } catch  where error.isAbsent {
                // Retention may have taken it since the snapshot.
                let expired = state.withLock { $0.floor } > expected
                lose(to: bound, expired ? .expired : .missing)
            } catch {
                throw ChannelError(.ioFailure, "reading \(directory) at offset \(expected): \(error.text)")
            }
        }
        return RecordBatch(partition: number, storage: [], entries: [], nextOffset: expected, gaps: gaps)
    }

    /// Whether a sealed segment was whole and simply ended before `offset`: then what is lost lay in other files.
    private func isAtEnd(_ snapshot: Snapshot, _ index: Int, _ offset: UInt64) -> Bool {
        snapshot.segments[index].summary.map { $0.end <= offset } ?? false
    }

    /// Where the record of an offset lies within a segment, or the first one behind it that can be found.
    private func locate(
        _ offset: UInt64, _ snapshot: Snapshot, _ index: Int, _ file: any LogFile
    ) throws(SystemError) -> (position: Int, offset: UInt64)? {
        let base = snapshot.segments[index].base
        let size = snapshot.size(index)
        if let position = state.withLock({ $0.cursors.position(of: offset, base: base) }) {
            return position < size ? (position, offset) : nil
        }
        let bound = snapshot.end(index)
        var reader = environment.reader(file, end: size, chunk: 2 * IndexBuilder.interval)
        var (position, at) = try start(snapshot, index, &reader) { UInt64($0.offset) <= offset - base }
        while at != offset {
            if let header = try reader.header(at: position), header.offset == at {
                position += header.span
                at += 1
            } else {
                guard at < bound, let next = try reader.resynchronise(from: position, offsets: at..<bound) else {
                    return nil
                }
                position = next.position
                at = next.header.offset
                if at >= offset { break }
            }
        }
        return position < size && at < bound ? (position, at) : nil
    }

    /// The place to begin walking from: the last index entry that satisfies a condition, if its record is really
    /// there, else the segment's first record.
    private func start(
        _ snapshot: Snapshot, _ index: Int, _ reader: inout SegmentReader, where isBefore: (IndexEntry) -> Bool
    ) throws(SystemError) -> (position: Int, offset: UInt64) {
        let segment = snapshot.segments[index]
        let entries: IndexEntries
        if let summary = segment.summary {
            guard let file = try? environment.files.file(path(segment.base, Segment.indexSuffix)) else {
                return (SegmentHeader.length, segment.base)
            }
            entries = .file(file, count: summary.entries)
        } else {
            entries = .memory(snapshot.index)
        }
        if let entry = entries.last(where: isBefore), Int(entry.position) < reader.end,
            case .record(let header) = try reader.finding(at: Int(entry.position)),
            header.offset == segment.base + UInt64(entry.offset)
        {
            return (Int(entry.position), header.offset)
        }
        return (SegmentHeader.length, segment.base)
    }

    /// The first offset appended at or after a time; blocks.
    func offset(atOrAfter milliseconds: Int64) throws(ChannelError) -> UInt64 {
        let snapshot = snapshot()
        if state.withLock({ $0.lastAppended }) < milliseconds { return snapshot.next }
        // A segment's time of creation lies between the records before it and its own.
        let first = (snapshot.segments.firstIndex { $0.header.created >= milliseconds } ?? snapshot.segments.count) - 1
        for index in max(0, first)..<snapshot.segments.count {
            do throws(SystemError) {
                let file = try environment.files.file(path(snapshot.segments[index].base))
                var reader = environment.reader(
                    file, end: snapshot.size(index), chunk: 2 * IndexBuilder.interval)
                var (position, at) = try start(snapshot, index, &reader) { $0.appended < milliseconds }
                let bound = snapshot.end(index)
                while at < bound, position < reader.end {
                    if case .record(let header) = try reader.finding(at: position), header.offset == at {
                        if header.appended >= milliseconds { return max(at, snapshot.floor) }
                        position += header.span
                        at += 1
                    } else {
                        let next = try reader.resynchronise(from: position + 1, offsets: at..<bound)
                        guard let next else { break }
                        (position, at) = (next.position, next.header.offset)
                    }
                }
            } catch  where error.isAbsent {
                continue
            } catch {
                throw ChannelError(.ioFailure, "reading \(directory): \(error.text)")
            }
        }
        return snapshot.next
    }
}
