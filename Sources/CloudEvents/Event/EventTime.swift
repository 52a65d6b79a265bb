/// A point in time as CloudEvents write it: RFC 3339 text, kept to the letter, and what it means.
///
/// The text is kept because CESQL compares a timestamp as its string (CESQL 1.0 §3.1) and because nothing that the
/// producer said may be lost; the number is for comparing and indexing.
public struct EventTime: Sendable, Hashable {
    /// The RFC 3339 text, as the producer wrote it.
    public let text: String
    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds folded into the next second.
    public let nanoseconds: Int64

    /// Reads RFC 3339 text; `nil` when it is none.
    public init?(_ text: String) {
        var copy = text
        guard let nanoseconds = copy.withUTF8({ EventTime.parse($0) }) else { return nil }
        self.text = text
        self.nanoseconds = nanoseconds
    }

    /// The time in UTC, written with as many fraction digits (0, 3, 6 or 9) as it needs, at least `fractionDigits`.
    public init(nanoseconds: Int64, fractionDigits: Int = 3) {
        self.nanoseconds = nanoseconds
        self.text = EventTime.write(nanoseconds, offsetMinutes: 0, fractionDigits: fractionDigits)
    }

    /// The time written in a zone `offsetMinutes` east of UTC (`Z` when 0).
    public init(nanoseconds: Int64, offsetMinutes: Int, fractionDigits: Int) {
        self.nanoseconds = nanoseconds
        self.text = EventTime.write(nanoseconds, offsetMinutes: offsetMinutes, fractionDigits: fractionDigits)
    }

    /// Milliseconds since 1970, rounded down.
    public var milliseconds: Int64 { nanoseconds >= 0 ? nanoseconds / 1_000_000 : (nanoseconds - 999_999) / 1_000_000 }

    /// Parses RFC 3339 bytes to nanoseconds since 1970; `nil` when they are none or out of the range of years 1678–2261.
    package static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard bytes.count >= 20 else { return nil }
        func digit(_ i: Int) -> Int? {
            let value = bytes[i] &- 48
            return value < 10 ? Int(value) : nil
        }
        func two(_ i: Int) -> Int? {
            guard let a = digit(i), let b = digit(i + 1) else { return nil }
            return a * 10 + b
        }
        guard let century = two(0), let decade = two(2), bytes[4] == 0x2D, let month = two(5), bytes[7] == 0x2D,
            let day = two(8), bytes[10] | 0x20 == 0x74, let hour = two(11), bytes[13] == 0x3A, let minute = two(14),
            bytes[16] == 0x3A, let second = two(17)
        else { return nil }
        let year = century * 100 + decade
        guard (1...12).contains(month), day >= 1, day <= daysIn(month: month, year: year), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if bytes[index] == 0x2E {
            index += 1
            var scale: Int64 = 100_000_000
            let start = index
            while index < bytes.count, let value = digit(index) {
                fraction += Int64(value) * scale
                scale /= 10
                index += 1
            }
            guard index > start else { return nil }
        }
        guard index < bytes.count else { return nil }
        var offset = 0
        switch bytes[index] {
        case 0x5A, 0x7A:
            index += 1
        case 0x2B, 0x2D:
            guard index + 6 == bytes.count, let hours = two(index + 1), bytes[index + 3] == 0x3A,
                let minutes = two(index + 4), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (bytes[index] == 0x2D ? -1 : 1)
            index += 6
        default:
            return nil
        }
        guard index == bytes.count, year >= 1678, year <= 2261 else { return nil }
        let days = daysFromCivil(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3_600 + (minute - offset) * 60 + second
        return Int64(seconds) * 1_000_000_000 + fraction
    }

    /// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level
    /// date algorithms", days_from_civil).
    package static func daysFromCivil(year: Int, month: Int, day: Int) -> Int {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The date of a day number, the inverse of `daysFromCivil`.
    package static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    package static func daysIn(month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func write(_ nanoseconds: Int64, offsetMinutes: Int, fractionDigits: Int) -> String {
        // At the very ends of the range the zone would carry the clock out of it: it stays there.
        let (sum, isBeyond) = nanoseconds.addingReportingOverflow(Int64(offsetMinutes) * 60_000_000_000)
        let shifted = isBeyond ? (nanoseconds < 0 ? Int64.min : Int64.max) : sum
        var seconds = shifted / 1_000_000_000
        var fraction = shifted % 1_000_000_000
        if fraction < 0 {
            fraction += 1_000_000_000
            seconds -= 1
        }
        var days = seconds / 86_400
        var rest = Int(seconds % 86_400)
        if rest < 0 {
            rest += 86_400
            days -= 1
        }
        let date = civil(fromDays: Int(days))
        var out: [UInt8] = []
        out.reserveCapacity(35)
        func put(_ value: Int, width: Int) {
            var divisor = 1
            for _ in 1..<width { divisor *= 10 }
            var value = value
            for _ in 0..<width {
                out.append(48 + UInt8(value / divisor))
                value %= divisor
                divisor /= 10
            }
        }
        put(date.year, width: 4)
        out.append(0x2D)
        put(date.month, width: 2)
        out.append(0x2D)
        put(date.day, width: 2)
        out.append(0x54)
        put(rest / 3_600, width: 2)
        out.append(0x3A)
        put(rest / 60 % 60, width: 2)
        out.append(0x3A)
        put(rest % 60, width: 2)
        var digits = fractionDigits
        if fraction != 0 {
            if fraction % 1_000_000 == 0 {
                digits = max(digits, 3)
            } else if fraction % 1_000 == 0 {
                digits = max(digits, 6)
            } else {
                digits = 9
            }
        }
        if digits > 0 {
            out.append(0x2E)
            var divisor: Int64 = 100_000_000
            for _ in 0..<min(digits, 9) {
                out.append(48 + UInt8(fraction / divisor % 10))
                divisor /= 10
            }
        }
        if offsetMinutes == 0 {
            out.append(0x5A)
        } else {
            out.append(offsetMinutes < 0 ? 0x2D : 0x2B)
            put(abs(offsetMinutes) / 60, width: 2)
            out.append(0x3A)
            put(abs(offsetMinutes) % 60, width: 2)
        }
        return String(decoding: out, as: UTF8.self)
    }
}
