import CloudEvents

/// The `Date` header (IMF-fixdate, RFC 9110 §5.6.7), written anew once a second.
struct HTTPDate {
    private var second: Int64 = .min
    private var cached = ""

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// - Parameter milliseconds: since 1970, not before.
    mutating func text(milliseconds: Int64) -> String {
        let now = max(0, milliseconds / 1000)
        if now != second {
            second = now
            cached = Self.text(seconds: Int(now))
        }
        return cached
    }

    static func text(seconds: Int) -> String {
        let day = seconds / 86_400
        let rest = seconds % 86_400
        let date = EventTime.civil(fromDays: day)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        // 1970-01-01 was a Thursday.
        return "\(days[(day + 4) % 7]), \(two(date.day)) \(months[date.month - 1]) \(date.year) "
            + "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
    }
}
