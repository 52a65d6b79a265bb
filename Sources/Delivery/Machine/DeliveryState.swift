/// What a subscription knows of one partition beyond the events themselves: what is kept when it stops, and what travels
/// with the partition when another server takes it over.
package struct DeliveryState: Sendable, Hashable {
    /// An unsettled event that was tried and failed.
    package struct Failure: Sendable, Hashable {
        package var offset: UInt64
        package var attempts: UInt16

        package init(offset: UInt64, attempts: UInt16) {
            self.offset = offset
            self.attempts = attempts
        }
    }

    /// A channel that replies or dead letters go to, and from where on those of unsettled events may lie in it.
    package struct Mark: Sendable, Hashable {
        package var channel: String
        /// By partition.
        package var offsets: [UInt64]

        package init(channel: String, offsets: [UInt64]) {
            self.channel = channel
            self.offsets = offsets
        }
    }

    package var progress: Progress
    /// Ascending by offset.
    package var failures: [Failure] = []
    package var marks: [Mark] = []
    /// How many partitions the channel had when the subscription began here.
    package var partitions = 0
    /// Nothing was under way: no reply of an unsettled event is anywhere.
    package var isClean = false

    package init(progress: Progress) { self.progress = progress }

    /// Whether what must not be forgotten is the same; marks grow with each event of others.
    func isEqual(to other: DeliveryState?) -> Bool { progress == other?.progress && failures == other?.failures }

    // MARK: Bytes

    /// Version, flags, partitions, the progress, failures, marks: LEB128 numbers, texts with their length before them.
    package func encoded() -> [UInt8] {
        var out = NumberWriter()
        out.bytes = [2, isClean ? 1 : 0]
        out.put(UInt64(partitions))
        out.put(progress.floor)
        out.put(UInt64(progress.settled.count))
        var last = progress.floor
        for range in progress.settled {
            out.put(range.lowerBound - last)
            out.put(range.upperBound - range.lowerBound)
            last = range.upperBound
        }
        out.put(UInt64(failures.count))
        last = progress.floor
        for failure in failures {
            out.put(failure.offset - last)
            out.put(UInt64(failure.attempts))
            last = failure.offset
        }
        out.put(UInt64(marks.count))
        for mark in marks {
            out.put(UInt64(mark.channel.utf8.count))
            out.bytes.append(contentsOf: mark.channel.utf8)
            out.put(UInt64(mark.offsets.count))
            for offset in mark.offsets { out.put(offset) }
        }
        return out.bytes
    }

    /// `nil` when the bytes are not of this form, nor the older one that is the progress alone.
    package init?(_ bytes: [UInt8]) {
        if bytes.first == 1 {
            guard let progress = Progress(bytes) else { return nil }
            self.init(progress: progress)
            return
        }
        guard bytes.count >= 2, bytes[0] == 2, bytes[1] <= 1 else { return nil }
        var reader = NumberReader(bytes: bytes[2...])
        guard let partitions = reader.count(), let floor = reader.take(), let ranges = reader.count() else {
            return nil
        }
        self.init(progress: Progress(floor: floor))
        self.partitions = partitions
        isClean = bytes[1] == 1
        var last = floor
        for _ in 0..<ranges {
            guard let gap = reader.take(), let length = reader.take(), length > 0 else { return nil }
            let (start, first) = last.addingReportingOverflow(gap)
            let (end, second) = start.addingReportingOverflow(length)
            guard !first, !second else { return nil }
            progress.settled.append(start..<end)
            last = end
        }
        guard let failed = reader.count() else { return nil }
        last = floor
        for _ in 0..<failed {
            guard let gap = reader.take(), let attempts = reader.take(), attempts <= UInt16.max else { return nil }
            let (offset, overflow) = last.addingReportingOverflow(gap)
            guard !overflow else { return nil }
            failures.append(Failure(offset: offset, attempts: UInt16(attempts)))
            last = offset
        }
        guard let marked = reader.count() else { return nil }
        for _ in 0..<marked {
            guard let length = reader.count(), let name = reader.text(length), let count = reader.count() else {
                return nil
            }
            var offsets: [UInt64] = []
            for _ in 0..<count {
                guard let offset = reader.take() else { return nil }
                offsets.append(offset)
            }
            marks.append(Mark(channel: name, offsets: offsets))
        }
        guard reader.isAtEnd else { return nil }
    }
}

/// LEB128 (DWARF 5 §7.6), unsigned.
private struct NumberWriter {
    var bytes: [UInt8] = []

    mutating func put(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

private struct NumberReader {
    var bytes: ArraySlice<UInt8>

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func take() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = bytes.popFirst() {
            guard shift < 63 || (shift == 63 && byte & 0x7F <= 1) else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }

    /// A number of things that follow: no more than there are bytes for.
    mutating func count() -> Int? {
        guard let number = take(), number <= UInt64(bytes.count) || number <= 1024 else { return nil }
        return Int(number)
    }

    mutating func text(_ length: Int) -> String? {
        guard length <= bytes.count else { return nil }
        defer { bytes = bytes.dropFirst(length) }
        return String(validating: bytes.prefix(length), as: UTF8.self)
    }
}
