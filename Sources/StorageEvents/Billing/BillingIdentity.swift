extension BillingView {
    /// The hash from which the event's id is made.
    ///
    /// - Where text and JSON of one happening hold the same facts that no other happening shares, those facts are
    ///   hashed, so that a line and a Kafka record of one transfer, flush, recall or removal get one id. They are: kind,
    ///   cell without domain, file id, whole second, code, duration, and bytes and initiator (transfer) or queueing time
    ///   (flush, recall).
    /// - Other JSON (requests, hits, warnings): the fields by which the two Kafka routes are told to be one record
    ///   (`msgType`, `cellName`, `cellDomain`, `session`, `date`, `pnfsid`), and path, code and message, for hits and
    ///   warnings have no session.
    /// - Other text: the record as it stands, with its settled second. Neither the file's name nor the position counts,
    ///   so that a renamed, copied or compressed file gives the same ids; of lines that are equal to the letter the
    ///   second, third… is told apart by `ordinal` (see `RepeatCounter`).
    @inline(__always)
    func identity(native: Run, isText: Bool) -> StableHash {
        var hash = StableHash()
        hash.add(Int64(kind.rawValue) &+ (isPool ? 256 : 0))
        if time != nil, let cell = cellName, let pnfsid, pnfsid.count > 0, let code {
            switch kind {
            case .transfer:
                if let durationMs, let bytes, let initiator, initiator.count > 0, !initiator.equals("<undefined>") {
                    hash.add(1)
                    hash.add(cell)
                    hash.add(pnfsid)
                    hash.add(seconds)
                    hash.add(code)
                    hash.add(durationMs)
                    hash.add(bytes)
                    hash.add(initiator)
                    return hash
                }
            case .store, .restore:
                if let durationMs, let queuedMs {
                    hash.add(1)
                    hash.add(cell)
                    hash.add(pnfsid)
                    hash.add(seconds)
                    hash.add(code)
                    hash.add(durationMs)
                    hash.add(queuedMs)
                    return hash
                }
            case .remove:
                hash.add(1)
                hash.add(cell)
                hash.add(pnfsid)
                hash.add(seconds)
                hash.add(code)
                return hash
            case .request, .hit, .warning, .other: break
            }
        }
        if isText {
            hash.add(2)
            hash.add(seconds)
            hash.add(native)
        } else {
            hash.add(3)
            hash.add(msgType)
            hash.add(cell)
            hash.add(domain)
            hash.add(session)
            hash.add(time)
            hash.add(pnfsid)
            hash.add(path)
            hash.add(code)
            hash.add(message)
        }
        return hash
    }
}

/// Tells lines apart that are equal to the letter: text has whole seconds, so two happenings may look the same.
///
/// The first of equal records keeps its id, the next gets ordinal 1, and so on, counted while records of its second (or
/// of the two before) come. The count depends on the file's contents alone and travels with the decoder's state. The
/// memory is a table of fixed size; in the rare case that five ids want the four places of a hash the oldest is forgotten.
struct RepeatCounter: Sendable, Hashable {
    struct Entry: Sendable, Hashable {
        var hash: UInt64 = 0
        var second: Int64 = .min
        var count: UInt32 = 0
    }

    /// Places that share the lower bits of the hash: equal lines are told apart although others come between.
    static let ways = 4
    static let size = 4096
    static let span: Int64 = 2
    var entries = [Entry](repeating: Entry(), count: size)
    var newest = Int64.min

    /// How many records with this hash came before within the span.
    @inline(__always)
    mutating func ordinal(_ hash: UInt64, second: Int64) -> UInt32 {
        if second > newest { newest = second }
        guard second &+ Self.span >= newest else { return 0 }
        return entries.withUnsafeMutableBufferPointer { table in
            let first = Self.first(of: hash)
            var oldest = first
            for index in first..<(first &+ Self.ways) {
                if table[index].hash == hash, table[index].second == second {
                    table[index].count &+= 1
                    return table[index].count
                }
                if table[index].second < table[oldest].second { oldest = index }
            }
            table[oldest] = Entry(hash: hash, second: second, count: 0)
            return 0
        }
    }

    /// Puts a kept entry back.
    mutating func restore(_ entry: Entry) {
        let places = Self.first(of: entry.hash)..<(Self.first(of: entry.hash) + Self.ways)
        let oldest = places.min { entries[$0].second < entries[$1].second } ?? places.lowerBound
        entries[oldest] = entry
    }

    @inline(__always)
    private static func first(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash & UInt64(size / ways - 1)) &* ways
    }
}
