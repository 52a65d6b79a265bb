import CloudEvents
import Foundation
import Manifest

/// Numbers and times as a person reads them.
enum Words {
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "kB", "MB", "GB", "TB", "PB"]
        var value = Double(count)
        var unit = 0
        while abs(value) >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(rounded(value)) \(units[unit])"
    }

    static func count(_ count: Int64) -> String {
        var digits = Array(String(count.magnitude))
        var index = digits.count - 3
        while index > 0 {
            digits.insert("\u{202F}", at: index)
            index -= 3
        }
        return (count < 0 ? "-" : "") + String(digits)
    }

    /// A duration given in milliseconds: `0.4 ms`, `12 ms`, `3.1 s`, `4 min`, `2.5 h`, `3 d`.
    static func duration(milliseconds: Double) -> String {
        switch milliseconds {
        case ..<1_000: "\(rounded(milliseconds)) ms"
        case ..<60_000: "\(rounded(milliseconds / 1_000)) s"
        case ..<3_600_000: "\(rounded(milliseconds / 60_000)) min"
        case ..<86_400_000: "\(rounded(milliseconds / 3_600_000)) h"
        default: "\(rounded(milliseconds / 86_400_000)) d"
        }
    }

    /// A time of day in UTC, or the date too when it is not today's; `text` is RFC 3339 in UTC, as the API writes it.
    static func time(_ text: String) -> String {
        let now = Int64(Date().timeIntervalSince1970 * 1000)
        let today = EventTime(nanoseconds: now * 1_000_000).text.prefix(10)
        return text.prefix(10) == today ? String(text.dropFirst(11).prefix(8)) : String(text.prefix(19)) + "Z"
    }

    private static func rounded(_ value: Double) -> String {
        if value >= 99.5 || value == value.rounded() { return String(Int64(value.rounded())) }
        let scaled = (value * (value < 9.995 ? 100 : 10)).rounded() / (value < 9.995 ? 100 : 10)
        return "\(scaled)"
    }
}
