import CloudEvents

/// Decodes the lines of a billing file of dCache: text by the formats in force, and JSON lines between.
///
/// Formats come from the file's `##` headers, which may change in the middle; until a message type has a header, dCache's
/// default format is in force for it. A record may take several lines. The decoder is a value without I/O; all it knows
/// is in it and can be kept as bytes (``state``), so that a follower goes on in the middle of a file after a restart.
///
/// A last line without its line end must be held back by the caller.
public struct BillingTextDecoder: Sendable {
    /// What a decoder may be told.
    public struct Options: Sendable, Hashable {
        /// The year of the records when the file's name does not say it.
        public var year: Int?
        /// Put every attribute of the format under `attributes`, not only those without a normalised name.
        public var keepsAttributes = false
        /// The most bytes a record over several lines may have.
        public var maximumRecordLength = 1 << 20
        public init() {}
    }

    let options: Options
    var clock: BillingClock
    var formats: [CompiledFormat]
    /// A record of several lines that has begun and not ended, without the last line feed.
    var open: [UInt8] = []
    var openLine = 0
    var openLines = 0
    var repeats = RepeatCounter()

    var json = BillingJSONDecoder()
    var scratch = RecordScratch()
    var hour = HourCache()

    /// - Parameters:
    ///   - fileName: The file's name or path; `billing-2026.05.20` in it gives the year.
    ///   - zone: The time zone of the billing host.
    ///   - options: Details of the reading.
    public init(fileName: String, zone: ZoneRules, options: Options = Options()) {
        self.options = options
        let date = Self.date(inName: fileName)
        clock = BillingClock(fileYear: date?.year ?? options.year, fileMonth: date?.month, zone: zone)
        formats = Self.defaultFormats
    }

    /// The default formats, compiled.
    private static let defaultFormats: [CompiledFormat] = BillingMessage.allCases.compactMap {
        try? CompiledFormat(message: $0, format: Array($0.defaultFormat.utf8))
    }

    /// The date in a file's name: `billing-2026.05.20`, `billing-error-2026.05.20`, with whatever stands around it.
    static func date(inName name: String) -> (year: Int, month: Int)? {
        let bytes = Array(name.utf8.suffix(64))
        guard bytes.count >= 10 else { return nil }
        for start in stride(from: bytes.count - 10, through: 0, by: -1) {
            let part = bytes[start..<(start + 10)].enumerated()
            let fits = part.allSatisfy { $0.offset == 4 || $0.offset == 7 ? $0.element == 0x2E : $0.element &- 48 < 10 }
            let isWithinNumber = start > 0 && bytes[start - 1] &- 48 < 10
            guard fits, !isWithinNumber else { continue }
            func number(_ from: Int, _ count: Int) -> Int {
                bytes[(start + from)..<(start + from + count)].reduce(0) { $0 * 10 + Int($1 - 48) }
            }
            let month = number(5, 2)
            if (1...12).contains(month) { return (number(0, 4), month) }
        }
        return nil
    }

    /// Decodes one line, given without its line feed; a carriage return at its end is not part of it.
    public mutating func decode(
        line bytes: UnsafeRawBufferPointer, lineNumber: Int, into batch: inout DecodedBatch
    ) {
        var line = bytes
        if line.count > 0, line[line.count &- 1] == 0x0D { line = line.run(0, line.count &- 1) }
        if !open.isEmpty {
            continueRecord(line, lineNumber: lineNumber, into: &batch)
            return
        }
        decodeFresh(line, lineNumber: lineNumber, into: &batch)
    }

    /// Ends the input: a record that is still open is reported.
    public mutating func finish(into batch: inout DecodedBatch) {
        guard !open.isEmpty else { return }
        abandonOpen(into: &batch, code: .unfinished, reason: "the record was not ended before the file ended")
    }

    private mutating func decodeFresh(_ line: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        guard line.count > 0 else {
            batch.ignored += 1
            return
        }
        switch line[0] {
        case 0x23:
            readComment(line, lineNumber: lineNumber, into: &batch)
            return
        case 0x7B:
            json.decode(line: line, lineNumber: lineNumber, into: &batch)
            return
        case 0x20, 0x09:
            if line.isBlank {
                batch.ignored += 1
                return
            }
        default: break
        }
        if decodeRecord(line, lineNumber: lineNumber, lines: 1, into: &batch) { return }
        if isRecordStart(line), isUnfinished(line), line.count <= options.maximumRecordLength {
            open = Array(line)
            openLine = lineNumber
            openLines = 1
            return
        }
        let column = isRecordStart(line) ? nil : 1
        batch.failures.append(
            DecodeFailure(
                .noFormat, line: lineNumber, column: column, reason: "no format in force describes this line", raw: line
            ))
    }

    // MARK: Records of several lines

    private mutating func continueRecord(_ line: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        if isRecordStart(line) || isHeader(line) || isJSONRecord(line) {
            abandonOpen(
                into: &batch, code: .unfinished, reason: "the record was not ended before the next one began")
            decodeFresh(line, lineNumber: lineNumber, into: &batch)
            return
        }
        guard open.count + line.count < options.maximumRecordLength else {
            abandonOpen(
                into: &batch, code: .tooLong,
                reason: "the record is longer than \(options.maximumRecordLength) bytes")
            return
        }
        open.append(0x0A)
        open.append(contentsOf: line)
        openLines += 1
        guard open.withUnsafeBytes({ !isUnfinished($0) }) else { return }
        let record = open
        let (first, lines) = (openLine, openLines)
        let isRead = record.withUnsafeBytes { decodeRecord($0, lineNumber: first, lines: lines, into: &batch) }
        // A line of a message may look like the end; then the record stays open.
        if isRead { open = [] }
    }

    private mutating func abandonOpen(into batch: inout DecodedBatch, code: DecodeFailure.Code, reason: String) {
        open.withUnsafeBytes {
            batch.failures.append(DecodeFailure(code, line: openLine, reason: reason, raw: $0))
        }
        open = []
    }

    /// Whether a line begins as a record does: with a date of a format in force.
    private func isRecordStart(_ line: Run) -> Bool {
        if line.count > 15, line[14] == 0x20, line[15] == 0x5B, FormatMatcher.isStandardDate(line, 0) { return true }
        for format in formats where !format.isTagged {
            guard let variant = format.variants.first, let first = variant.elements.first, first.slot >= 0,
                first.fieldClass == .date || first.fieldClass == .standardDate
            else { continue }
            var fields = DateFields()
            if format.datePattern.read(line, at: 0, fields: &fields) != nil { return true }
        }
        return false
    }

    /// Whether no format's end stands at the end of the line, though some format has one.
    private func isUnfinished(_ line: Run) -> Bool {
        for format in formats {
            for variant in format.variants where !variant.tail.isEmpty {
                if variant.tail.withUnsafeBytes({ line.hasSuffix($0) }) { return false }
            }
        }
        return formats.contains { $0.variants.contains { !$0.tail.isEmpty } }
    }

    private func isHeader(_ line: Run) -> Bool {
        guard line.hasPrefix("## ") else { return false }
        return BillingMessage.allCases.contains { message in
            var name = message.name + " $"
            return name.withUTF8 { line.has(Run($0), at: 3) }
        }
    }

    /// Whether the line is a JSON record, not a line of a message that begins with a brace.
    private func isJSONRecord(_ line: Run) -> Bool {
        guard line.hasPrefix("{\""), line[line.count - 1] == 0x7D else { return false }
        let matcher = FormatMatcher(line: line, datePattern: .standard)
        let key: StaticString = "\"msgType\":"
        return matcher.find(Run(start: key.utf8Start, count: key.utf8CodeUnitCount), from: 0) != nil
    }

    // MARK: Headers

    private mutating func readComment(_ line: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        guard line.hasPrefix("## "), let space = line.first(0x20, from: 3) else {
            batch.ignored += 1
            return
        }
        let name = line.run(3, space).text
        guard let message = BillingMessage.allCases.first(where: { $0.name == name }) else {
            batch.ignored += 1
            return
        }
        let text = Array(line.run(space + 1, line.count))
        batch.headers.append(.init(line: lineNumber, message: name, format: String(decoding: text, as: UTF8.self)))
        let index = formats.firstIndex { $0.message == message }
        if let index, formats[index].text == text { return }
        do throws(BillingFormatError) {
            let format = try CompiledFormat(message: message, format: text)
            if let index { formats[index] = format } else { formats.append(format) }
        } catch {
            // The old format must not read what was written by another one.
            if let index { formats.remove(at: index) }
            batch.failures.append(
                DecodeFailure(
                    .badFormat, line: lineNumber, reason: "the format of \(name) cannot be used: \(error.message)",
                    raw: line))
        }
    }

    // MARK: Records

    /// Decodes one whole record; false when no format describes it.
    private mutating func decodeRecord(
        _ line: Run, lineNumber: Int, lines: Int, into batch: inout DecodedBatch
    ) -> Bool {
        let traits = LineTraits(line)
        if traits.hasHighBytes, !UTF8Check.isValid(line) {
            let repaired = Array(line.text.utf8)
            return repaired.withUnsafeBytes {
                decodeRecord($0, traits: traits, original: line, lineNumber: lineNumber, lines: lines, into: &batch)
            }
        }
        return decodeRecord(line, traits: traits, original: nil, lineNumber: lineNumber, lines: lines, into: &batch)
    }

    @inline(__always)
    private mutating func decodeRecord(
        _ line: Run, traits: LineTraits, original: Run?, lineNumber: Int, lines: Int, into batch: inout DecodedBatch
    ) -> Bool {
        let record: EventRecord? = FieldSpans.with { spans in
            var quotes = -1
            // Static, because a look from within the closure would copy the whole decoder.
            guard let format = Self.match(line, formats, spans: spans, quotes: &quotes) else { return nil }
            return encode(line, format, spans, traits: traits, quotes: quotes, original: original)
        }
        guard let record else { return false }
        batch.records.append(record)
        batch.origins.append(.init(line: lineNumber, lines: lines))
        return true
    }

    /// The format that describes the line, with the places of its attributes and, where it is known, how many `"` stand in
    /// the line outside attributes.
    @inline(__always)
    private static func match(
        _ line: Run, _ formats: [CompiledFormat], spans: FieldSpans, quotes: inout Int
    ) -> CompiledFormat? {
        let tag = BillingTag(line)
        if let message = tag?.message {
            for format in formats where format.message == message && format.isTagged {
                if match(line, format, spans: spans, quotes: &quotes) { return format }
            }
        }
        // A line that says what it is, is not read as something else; formats of a site's own may look like anything.
        for format in formats where tag?.message == nil || !format.isTagged {
            if match(line, format, spans: spans, quotes: &quotes) { return format }
        }
        return nil
    }

    @inline(__always)
    private static func match(
        _ line: Run, _ format: CompiledFormat, spans: FieldSpans, quotes: inout Int
    ) -> Bool {
        let matcher = FormatMatcher(line: line, datePattern: format.datePattern)
        for index in format.quickOrder {
            let variant = format.variants[index]
            spans.clear(format.slotCount)
            guard matcher.match(variant, spans: spans) else { continue }
            guard isDoubtful(line, format, variant, spans) else {
                quotes = variant.quotes
                return true
            }
            break
        }
        guard matcher.mayMatch(format), FormatSearch.best(line: line, format: format, spans: spans) else {
            return false
        }
        quotes = -1
        return true
    }

    /// Whether another reading could be the right one: the protocol's path is not the path, and the path holds what
    /// follows a path.
    @inline(__always)
    private static func isDoubtful(
        _ line: Run, _ format: CompiledFormat, _ variant: CompiledFormat.Variant, _ spans: FieldSpans
    ) -> Bool {
        guard let path = spans.run(.path, in: line),
            let text = spans.run(.protocolText, in: line),
            FormatSearch.repeatsPath(text), !text.hasSuffix(path)
        else { return false }
        return path.first(0x5D) != nil || !format.isTagged
    }
}

extension FormatMatcher {
    /// A cheap look that spares the search through readings where there cannot be one: the first and last literals.
    func mayMatch(_ format: CompiledFormat) -> Bool {
        format.variants.contains { variant in
            guard variant.tail.withUnsafeBytes({ line.hasSuffix($0) }), let first = variant.elements.first else {
                return false
            }
            if first.slot < 0 {
                return variant.pool.withUnsafeBytes { line.has($0.run(0, Int(first.literal.upperBound)), at: 0) }
            }
            return first.fieldClass == .standardDate ? isStandardDate(0) : true
        }
    }
}

/// The `[cellType:cellName:type]` of the default formats, by which a line says what it is.
struct BillingTag {
    /// `nil` for a type that is not known.
    let message: BillingMessage?

    @inline(__always)
    init?(_ line: Run) {
        guard line.count > 20, line[14] == 0x20, line[15] == 0x5B, let close = line.first(0x5D, from: 16),
            let colon = line.last(0x3A, before: close), colon > 16, let first = line.first(0x3A, from: 16)
        else { return nil }
        switch BillingKind(line.run(colon &+ 1, close)) {
        case .transfer: message = .mover
        case .request: message = .door
        case .remove: message = line.run(16, first).equals("door") ? .door : .remove
        case .store, .restore: message = .storage
        case .hit: message = .hit
        case .warning: message = .warning
        case .other: message = nil
        }
    }
}
