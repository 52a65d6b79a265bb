import CloudEvents

/// A date as read from a record, before the year, the zone and a repeated hour are settled.
struct DateFields: Sendable, Hashable {
    var year: Int?
    var month = 1
    var day = 1
    var hour = 0
    var minute = 0
    var second = 0
    var nanosecond = 0
    /// How many digits the fraction had.
    var fractionDigits = 0
    /// Seconds east of UTC where the record says so.
    var offset: Int?

    var isValid: Bool {
        (1...12).contains(month) && day >= 1 && day <= EventTime.daysIn(month: month, year: year ?? 2000) && hour < 24
            && minute < 60 && second <= 60 && (year.map { (1678...2261).contains($0) } ?? true)
    }

    /// The local time as seconds since 1970, as if it were UTC.
    func localSeconds(year: Int) -> Int64 {
        Int64(EventTime.daysFromCivil(year: year, month: month, day: day)) * 86_400
            + Int64(hour * 3_600 + minute * 60 + second)
    }
}

/// A compiled `java.text.SimpleDateFormat` pattern, for reading.
///
/// Understood: `y M d H k h K m s S a E D X Z z` and quoted text; what cannot be turned into a time (week numbers, eras)
/// is refused when the pattern is compiled.
struct DatePattern: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case literal([UInt8])
        case field(UInt8, width: Int, adjacent: Bool)
    }

    let parts: [Part]
    /// The default format of billing files, `MM.dd HH:mm:ss`, for which there is a faster reader.
    let isDefault: Bool

    /// `MM.dd HH:mm:ss`.
    static let standard = DatePattern(parts: standardParts, isDefault: true)

    private static var standardParts: [Part] {
        [
            .field(0x4D, width: 2, adjacent: false), .literal([0x2E]), .field(0x64, width: 2, adjacent: false),
            .literal([0x20]), .field(0x48, width: 2, adjacent: false), .literal([0x3A]),
            .field(0x6D, width: 2, adjacent: false), .literal([0x3A]), .field(0x73, width: 2, adjacent: false),
        ]
    }

    private init(parts: [Part], isDefault: Bool) {
        self.parts = parts
        self.isDefault = isDefault
    }

    init?(_ pattern: some StringProtocol) {
        var parts: [Part] = []
        let bytes = Array(pattern.utf8)
        var index = 0
        func literal(_ byte: UInt8) {
            if case .literal(var run) = parts.last {
                run.append(byte)
                parts[parts.count - 1] = .literal(run)
            } else {
                parts.append(.literal([byte]))
            }
        }
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x27 {
                index += 1
                if index < bytes.count, bytes[index] == 0x27 {
                    literal(0x27)
                    index += 1
                    continue
                }
                while index < bytes.count {
                    if bytes[index] == 0x27 {
                        if index + 1 < bytes.count, bytes[index + 1] == 0x27 { index += 1 } else { break }
                    }
                    literal(bytes[index])
                    index += 1
                }
                index += 1
            } else if (0x41...0x5A).contains(byte & 0xDF), byte >= 0x41 {
                guard "yMdHkhKmsSaEDXZz".utf8.contains(byte) else { return nil }
                var width = 1
                while index + width < bytes.count, bytes[index + width] == byte { width += 1 }
                let next = index + width < bytes.count ? bytes[index + width] : 0
                // Two numbers side by side are told apart by their widths only (SimpleDateFormat, "adjacent").
                let adjacent = "yMdHkhKmsSD".utf8.contains(next)
                parts.append(.field(byte, width: width, adjacent: adjacent))
                index += width
            } else {
                literal(byte)
                index += 1
            }
        }
        guard !parts.isEmpty else { return nil }
        self.parts = parts
        isDefault = pattern == "MM.dd HH:mm:ss"
    }

    /// Reads a date that begins at `start`; the fields and where it ends, or `nil`.
    func read(_ bytes: Run, at start: Int, fields: inout DateFields) -> Int? {
        var position = start
        var dayOfYear: Int?
        var afternoon: Bool?
        var hour12: Int?
        fields = DateFields()
        func number(_ width: Int, _ adjacent: Bool, most: Int = 9) -> Int? {
            let limit = min(bytes.count, position + (adjacent ? width : most))
            let from = position
            var value = 0
            while position < limit, bytes[position] &- 48 < 10 {
                value = value * 10 + Int(bytes[position] &- 48)
                position += 1
            }
            return position > from ? value : nil
        }
        for part in parts {
            switch part {
            case .literal(let text):
                guard text.withUnsafeBytes({ bytes.has($0, at: position) }) else { return nil }
                position += text.count
            case .field(let letter, let width, let adjacent):
                let from = position
                switch letter {
                case 0x79:
                    guard var year = number(width, adjacent, most: max(width, 4)) else { return nil }
                    if width <= 2, position - from == 2 { year += year < 80 ? 2000 : 1900 }
                    fields.year = year
                case 0x4D:
                    if width >= 3 {
                        guard let month = Self.name(bytes, &position, Self.months) else { return nil }
                        fields.month = month + 1
                    } else {
                        guard let month = number(width, adjacent, most: 2) else { return nil }
                        fields.month = month
                    }
                case 0x64:
                    guard let day = number(width, adjacent, most: 2) else { return nil }
                    fields.day = day
                case 0x44:
                    guard let day = number(width, adjacent, most: 3) else { return nil }
                    dayOfYear = day
                case 0x48, 0x6B:
                    guard let hour = number(width, adjacent, most: 2) else { return nil }
                    fields.hour = letter == 0x6B && hour == 24 ? 0 : hour
                case 0x68, 0x4B:
                    guard let hour = number(width, adjacent, most: 2), hour <= 12 else { return nil }
                    hour12 = hour % 12
                case 0x6D:
                    guard let minute = number(width, adjacent, most: 2) else { return nil }
                    fields.minute = minute
                case 0x73:
                    guard let second = number(width, adjacent, most: 2) else { return nil }
                    fields.second = second
                case 0x53:
                    // Java's S is a count of milliseconds, however many letters there are.
                    guard let value = number(width, adjacent, most: max(width, 3)), value < 1_000 else { return nil }
                    fields.nanosecond = value * 1_000_000
                    fields.fractionDigits = 3
                case 0x61:
                    guard position + 2 <= bytes.count, bytes[position + 1] & 0xDF == 0x4D else { return nil }
                    afternoon = bytes[position] & 0xDF == 0x50
                    position += 2
                case 0x45:
                    guard Self.name(bytes, &position, Self.weekdays) != nil else { return nil }
                case 0x58, 0x5A:
                    guard let offset = Self.offset(bytes, &position) else { return nil }
                    fields.offset = offset
                default:
                    // `z`: a name, which decides nothing but for UTC; an offset is read as such.
                    if let offset = Self.offset(bytes, &position) {
                        fields.offset = offset
                    } else {
                        while position < bytes.count, (0x41...0x5A).contains(bytes[position] & 0xDF) { position += 1 }
                        guard position > from else { return nil }
                        let name = bytes.run(from, position)
                        if name.equals("UTC") || name.equals("GMT") { fields.offset = 0 }
                        if position < bytes.count, let offset = Self.offset(bytes, &position) {
                            fields.offset = offset
                        }
                    }
                }
            }
        }
        if let hour12 { fields.hour = hour12 + (afternoon == true ? 12 : 0) }
        if let dayOfYear, let year = fields.year, (1...366).contains(dayOfYear) {
            let date = EventTime.civil(
                fromDays: EventTime.daysFromCivil(year: year, month: 1, day: 1) + dayOfYear - 1)
            (fields.month, fields.day) = (date.month, date.day)
        }
        return fields.isValid ? position : nil
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    private static let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// Reads a name by its first three letters and passes over the rest of its letters.
    private static func name(_ bytes: Run, _ position: inout Int, _ names: [String]) -> Int? {
        guard position + 3 <= bytes.count else { return nil }
        let head = (0..<3).map { bytes[position + $0] | 0x20 }
        guard let index = names.firstIndex(where: { Array($0.utf8) == head }) else { return nil }
        while position < bytes.count, (0x61...0x7A).contains(bytes[position] | 0x20) { position += 1 }
        return index
    }

    /// `Z`, `+02`, `+0200` or `+02:00` in seconds.
    private static func offset(_ bytes: Run, _ position: inout Int) -> Int? {
        guard position < bytes.count else { return nil }
        let sign = bytes[position]
        if sign == 0x5A {
            position += 1
            return 0
        }
        guard sign == 0x2B || sign == 0x2D else { return nil }
        func two(_ at: Int) -> Int? {
            guard at + 2 <= bytes.count, bytes[at] &- 48 < 10, bytes[at + 1] &- 48 < 10 else { return nil }
            return Int(bytes[at] - 48) * 10 + Int(bytes[at + 1] - 48)
        }
        guard let hours = two(position + 1), hours < 24 else { return nil }
        var end = position + 3
        var minutes = 0
        if end < bytes.count, bytes[end] == 0x3A, let value = two(end + 1) {
            (minutes, end) = (value, end + 3)
        } else if let value = two(end) {
            (minutes, end) = (value, end + 2)
        }
        guard minutes < 60 else { return nil }
        position = end
        return (hours * 3_600 + minutes * 60) * (sign == 0x2D ? -1 : 1)
    }
}
