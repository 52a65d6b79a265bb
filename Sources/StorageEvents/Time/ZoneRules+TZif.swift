/// Why bytes are no time zone.
public struct ZoneRulesError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong, as a sentence.
    public let message: String
    public var description: String { message }
}

extension ZoneRules {
    /// Reads a TZif file (RFC 9636), any version; `tzif` is the whole file.
    public init(tzif: [UInt8]) throws(ZoneRulesError) {
        var reader = TZifReader(bytes: tzif)
        var header = try reader.header()
        var wide = false
        if header.version >= 2 {
            // The first block is for readers of 32-bit times; the second says the same and more.
            try reader.skip(header.bodyLength(timeSize: 4))
            header = try reader.header()
            wide = true
        }
        let width = wide ? 8 : 4
        guard header.types > 0, header.times <= 10_000, header.types <= 256 else {
            throw ZoneRulesError(message: "the time zone data has no local time types or too many transitions")
        }
        var times: [Int64] = []
        for _ in 0..<header.times { times.append(try reader.integer(width)) }
        var indices: [Int] = []
        for _ in 0..<header.times { indices.append(Int(try reader.integer(1) & 0xFF)) }
        var offsets: [Int] = []
        for _ in 0..<header.types {
            offsets.append(Int(try reader.integer(4)))
            try reader.skip(2)
        }
        try reader.skip(header.characters + header.leaps * (width + 4) + header.standards + header.universals)
        guard indices.allSatisfy({ $0 < offsets.count }), zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }),
            offsets.allSatisfy({ abs($0) < 100_000 })
        else { throw ZoneRulesError(message: "the time zone data is damaged: an index or a time is out of order") }
        let rule = wide ? try reader.footer() : nil
        let all = [offsets[0]] + indices.map { offsets[$0] }
        self.init(transitions: times, offsets: all, rule: rule)
    }
}

private struct TZifReader {
    struct Header {
        var version = 1
        var universals = 0
        var standards = 0
        var leaps = 0
        var times = 0
        var types = 0
        var characters = 0

        func bodyLength(timeSize: Int) -> Int {
            times * (timeSize + 1) + types * 6 + characters + leaps * (timeSize + 4) + standards + universals
        }
    }

    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func skip(_ count: Int) throws(ZoneRulesError) {
        guard count >= 0, position + count <= bytes.count else {
            throw ZoneRulesError(message: "the time zone data ends too early, at byte \(bytes.count)")
        }
        position += count
    }

    /// A big-endian signed integer of `width` bytes.
    mutating func integer(_ width: Int) throws(ZoneRulesError) -> Int64 {
        let start = position
        try skip(width)
        var value: Int64 = width > 1 && bytes[start] >= 0x80 ? -1 : 0
        for index in start..<position { value = value << 8 | Int64(bytes[index]) }
        return value
    }

    mutating func header() throws(ZoneRulesError) -> Header {
        let start = position
        try skip(20)
        guard Array(bytes[start..<(start + 4)]) == Array("TZif".utf8) else {
            throw ZoneRulesError(message: "this is no time zone file: it does not begin with TZif")
        }
        var header = Header()
        header.version = bytes[start + 4] == 0 ? 1 : Int(bytes[start + 4]) - 48
        func count(_ value: Int64) throws(ZoneRulesError) -> Int {
            guard (0...1_000_000).contains(value) else {
                throw ZoneRulesError(message: "the time zone data is damaged: a count is out of range")
            }
            return Int(value)
        }
        header.universals = try count(try integer(4))
        header.standards = try count(try integer(4))
        header.leaps = try count(try integer(4))
        header.times = try count(try integer(4))
        header.types = try count(try integer(4))
        header.characters = try count(try integer(4))
        return header
    }

    /// The POSIX rule between two line feeds; `nil` when it is empty.
    mutating func footer() throws(ZoneRulesError) -> DaylightRule? {
        guard position < bytes.count, bytes[position] == 0x0A,
            let end = bytes[(position + 1)...].firstIndex(of: 0x0A)
        else { return nil }
        let text = Array(bytes[(position + 1)..<end])
        if text.isEmpty { return nil }
        guard let rule = DaylightRule(posix: text) else {
            throw ZoneRulesError(
                message: "the time zone rule \(String(decoding: text, as: UTF8.self)) is not one of POSIX")
        }
        return rule
    }
}

extension DaylightRule {
    /// Reads a POSIX `TZ` text; `nil` when it is none.
    init?(posix text: [UInt8]) {
        var parser = PosixParser(text: text)
        guard parser.name(), let standard = parser.offset() else { return nil }
        guard !parser.atEnd else {
            self.init(standard: -standard, summer: nil)
            return
        }
        guard parser.name() else { return nil }
        var summer = -standard + 3_600
        if parser.peek != 0x2C {
            guard let offset = parser.offset() else { return nil }
            summer = -offset
        }
        guard let start = parser.day(), let end = parser.day(), parser.atEnd else { return nil }
        self.init(
            standard: -standard,
            summer: Summer(offset: summer, start: start.0, startTime: start.1, end: end.0, endTime: end.1))
    }
}

private struct PosixParser {
    let text: [UInt8]
    var position = 0

    init(text: [UInt8]) { self.text = text }

    var atEnd: Bool { position >= text.count }
    var peek: UInt8? { atEnd ? nil : text[position] }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    /// `CET` or `<+0330>`.
    mutating func name() -> Bool {
        let start = position
        if take(0x3C) {
            while let byte = peek, byte != 0x3E { position += 1 }
            return take(0x3E)
        }
        while let byte = peek, (0x41...0x5A).contains(byte & 0xDF) { position += 1 }
        return position - start >= 3
    }

    mutating func number() -> Int? {
        let start = position
        var value = 0
        while let byte = peek, byte &- 48 < 10, position - start < 4 {
            value = value * 10 + Int(byte - 48)
            position += 1
        }
        return position > start ? value : nil
    }

    /// `[+-]h[h[h]][:mm[:ss]]` in seconds.
    mutating func offset() -> Int? {
        var sign = 1
        if take(0x2D) { sign = -1 } else { _ = take(0x2B) }
        guard let hours = number() else { return nil }
        var seconds = hours * 3_600
        if take(0x3A) {
            guard let minutes = number() else { return nil }
            seconds += minutes * 60
            if take(0x3A) {
                guard let rest = number() else { return nil }
                seconds += rest
            }
        }
        return sign * seconds
    }

    /// `,M3.5.0/3`: the day and the seconds after midnight (two o'clock unless said).
    mutating func day() -> (DaylightRule.Day, Int)? {
        guard take(0x2C) else { return nil }
        let day: DaylightRule.Day
        if take(0x4D) {
            guard let month = number(), (1...12).contains(month), take(0x2E), let week = number(),
                (1...5).contains(week), take(0x2E), let weekday = number(), (0...6).contains(weekday)
            else { return nil }
            day = .weekday(month: month, week: week, day: weekday)
        } else if take(0x4A) {
            guard let number = number(), (1...365).contains(number) else { return nil }
            day = .julian(number)
        } else {
            guard let number = number(), (0...365).contains(number) else { return nil }
            day = .zeroBased(number)
        }
        guard take(0x2F) else { return (day, 7_200) }
        guard let time = offset() else { return nil }
        return (day, time)
    }
}
