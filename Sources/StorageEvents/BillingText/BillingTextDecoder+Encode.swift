import CloudEvents

/// The local hour of the last record, so that a line of the same hour needs no calendar.
struct HourCache: Sendable {
    /// `MM.dd HH` as eight bytes.
    var key: UInt64 = 0
    /// Seconds since 1970 of the hour's beginning.
    var seconds: Int64 = 0
    /// `2026-05-20T14:00:00+02:00`; only minutes and seconds are rewritten.
    var text = HourText()
}

/// A time's text in place, without memory of its own.
struct HourText: Sendable {
    /// How many bytes there are.
    static let capacity = 32
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private var count = 0

    init() {}

    /// `nil` when it is too long.
    init?(_ text: [UInt8]) {
        guard text.count <= Self.capacity else { return nil }
        count = text.count
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: text) }
    }

    /// Calls `body` with the text, in which it may write.
    @inline(__always)
    mutating func withBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        let count = count
        return withUnsafeMutableBytes(of: &words) { body(UnsafeMutableRawBufferPointer(rebasing: $0[..<count])) }
    }
}

extension BillingTextDecoder {
    /// Makes the event of a record that a format has cut up; `nil` when its date is none.
    @inline(__always)
    mutating func encode(
        _ line: Run, _ format: CompiledFormat, _ spans: FieldSpans, traits: LineTraits, quotes: Int, original: Run?
    ) -> EventRecord? {
        @inline(__always)
        func field(_ attribute: KnownAttribute) -> Run? {
            spans.run(attribute, in: line)
        }
        let implied = format.message.impliedType
        let type = field(.type) ?? Run(start: implied.utf8Start, count: implied.utf8CodeUnitCount)
        var view = BillingView(msgType: type)
        view.kind = BillingKind(type)
        view.cellType =
            field(.cellType)
            ?? format.message.impliedCellType.map { Run(start: $0.utf8Start, count: $0.utf8CodeUnitCount) }
        view.cell = nonEmpty(field(.cellName) ?? field(.cell))
        if field(.cellName) == nil { view.domain = nonEmpty(field(.domain)) }
        view.session = nonEmpty(field(.session))
        if view.cell == nil, let session = view.session { readCell(from: session, into: &view) }
        view.code = field(.rc)?.decimal
        view.message = field(.message)
        view.pnfsid = field(.pnfsid)
        view.path = field(.path)
        view.transferPath = field(.transferPath)
        view.fileSize = field(.filesize)?.decimal
        view.storageClass = field(.storageClass)
        view.hsm = field(.hsm)
        view.queuedMs = field(.queuingTime)?.decimal
        view.owner = field(.owner)
        switch format.message {
        case .mover:
            view.bytes = field(.transferred)?.decimal
            view.durationMs = field(.connectionTime)?.decimal
            view.created = field(.created).map { $0.equals("true") }
            view.isPoolToPool = field(.p2p).map { $0.equals("true") }
            view.initiator = field(.initiator)
            // The bandwidths of text are MiB/s, whatever the documentation says (StringTemplateInfoMessageVisitor).
            view.readRate = field(.readRate).flatMap { Double($0.text) }.map { $0 * 1_048_576 }
            view.writeRate = field(.writeRate).flatMap { Double($0.text) }.map { $0 * 1_048_576 }
            view.protocolText = nonEmpty(field(.protocolText))
            view.readProtocolText()
        case .door:
            view.durationMs = field(.transactionTime)?.decimal
            view.uid = field(.uid)?.decimal
            view.gid = field(.gid)?.decimal
            view.client = field(.client)
            view.clientChain = field(.clientChain)
        case .storage:
            view.durationMs = field(.transferTime)?.decimal
        case .hit:
            view.cached = field(.cached).map { $0.equals("true") }
            view.protocolText = nonEmpty(field(.protocolText))
            view.readProtocolText()
        case .warning, .remove: break
        }
        return settleAndWrite(
            &view, line, format, spans, date: field(.date), traits: traits, quotes: quotes, original: original)
    }

    @inline(__always)
    private func nonEmpty(_ run: Run?) -> Run? {
        guard let run, run.count > 0 else { return nil }
        return run
    }

    /// `pool:cell@domain:…` names the cell where the format does not.
    private func readCell(from session: Run, into view: inout BillingView) {
        guard let colon = session.first(0x3A), let end = session.first(0x3A, from: colon + 1) else { return }
        let cell = session.run(colon + 1, end)
        guard session.run(0, colon).equals("pool") || session.run(0, colon).equals("door"), cell.first(0x40) != nil
        else { return }
        view.cell = cell
    }

    @inline(__always)
    private mutating func settleAndWrite(
        _ view: inout BillingView, _ line: Run, _ format: CompiledFormat, _ spans: FieldSpans, date: Run?,
        traits: LineTraits, quotes: Int, original: Run?
    ) -> EventRecord? {
        guard let date else {
            return write(&view, line, format, spans, traits: traits, quotes: quotes, original: original)
        }
        // Out of the decoder while it is pointed into.
        var cache = hour
        let isCached: Bool
        var text: [UInt8] = []
        if cache.key != 0, format.datePattern.isDefault, date.count == 14, cache.key == date.word(0) {
            isCached = true
        } else {
            switch settle(date, format, &view, &cache) {
            case .notADate: return nil
            case .noYear: return write(&view, line, format, spans, traits: traits, quotes: quotes, original: original)
            case .cached:
                isCached = true
                hour = cache
            case .text(let settled): (isCached, text) = (false, settled)
            }
        }
        if isCached {
            let minute = Int64(date[9] &- 48) &* 10 &+ Int64(date[10] &- 48)
            let second = Int64(date[12] &- 48) &* 10 &+ Int64(date[13] &- 48)
            view.seconds = cache.seconds &+ minute &* 60 &+ second
            return cache.text.withBytes { text in
                if let target = text.baseAddress, let source = date.baseAddress {
                    (target + 13).copyMemory(from: source + 8, byteCount: 6)
                }
                view.time = Run(text)
                return write(&view, line, format, spans, traits: traits, quotes: quotes, original: original)
            }
        }
        return text.withUnsafeBytes { time in
            view.time = time
            return write(&view, line, format, spans, traits: traits, quotes: quotes, original: original)
        }
    }

    private enum Settled {
        case notADate
        /// Neither the record nor the file says the year.
        case noYear
        /// The hour is in the cache now.
        case cached
        case text([UInt8])
    }

    /// The slow way to a record's time: reads the date, finds the year and the offset, fills the hour's cache where the
    /// whole hour is plain.
    private mutating func settle(
        _ date: Run, _ format: CompiledFormat, _ view: inout BillingView, _ cache: inout HourCache
    ) -> Settled {
        var fields = DateFields()
        guard format.datePattern.read(date, at: 0, fields: &fields) == date.count else { return .notADate }
        guard let year = fields.year ?? clock.year(month: fields.month) else { return .noYear }
        fields.year = year
        guard fields.isValid else { return .notADate }
        let local = fields.localSeconds(year: year)
        var offset = 0
        if let known = fields.offset {
            offset = known
        } else {
            let tellsOrder = view.kind != .store && view.kind != .restore
            (offset, view.isAmbiguous) = clock.offset(local: local, tellsOrder: tellsOrder)
        }
        view.seconds = local - Int64(offset)
        let nanoseconds = view.seconds * 1_000_000_000 + Int64(fields.nanosecond)
        let text = Array(Self.text(nanoseconds, offset: offset, digits: fields.fractionDigits).utf8)
        let hourStart = local - Int64(fields.minute * 60 + fields.second)
        guard format.datePattern.isDefault, date.count == 14, offset % 60 == 0, text.count >= 20, fields.second < 60,
            clock.isPlainHour(local: hourStart), let kept = HourText(text)
        else { return .text(text) }
        cache = HourCache(key: date.word(0), seconds: hourStart - Int64(offset), text: kept)
        return .cached
    }

    /// RFC 3339 knows offsets of whole minutes only; the local mean times of long ago are written in UTC.
    static func text(_ nanoseconds: Int64, offset: Int, digits: Int) -> String {
        let minutes = offset % 60 == 0 ? offset / 60 : 0
        return EventTime(nanoseconds: nanoseconds, offsetMinutes: minutes, fractionDigits: digits).text
    }

    @inline(__always)
    private mutating func write(
        _ view: inout BillingView, _ line: Run, _ format: CompiledFormat, _ spans: FieldSpans, traits: LineTraits,
        quotes: Int, original: Run?
    ) -> EventRecord? {
        var hash = view.identity(native: line, isText: true)
        let first = hash.value
        let ordinal = repeats.ordinal(first.0, second: view.seconds)
        var id = first
        if ordinal > 0 {
            hash.add(Int64(ordinal))
            id = hash.value
        }
        let extras = options.keepsAttributes || !format.extras.isEmpty ? extras(line, format, spans) : []
        let isClean =
            !traits.hasControls && !traits.hasBackslashes && traits.quotes == quotes && original == nil
        let writer = BillingEventWriter(hasOddBytes: traits.hasHighBytes || traits.hasControls, isClean: isClean)
        return scratch.record { out in
            writer.write(&view, id: id, native: .text(line), extras: extras, original: original, into: &out)
        }
    }

    @inline(never)
    private func extras(_ line: Run, _ format: CompiledFormat, _ spans: FieldSpans) -> [BillingEventWriter.Extra] {
        let indices = options.keepsAttributes ? Array(format.names.indices) : format.extras
        return indices.compactMap { index in
            spans.run(format.slots[index], in: line).map { (format.names[index], $0) }
        }
    }
}
