import CloudEvents

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
enum RetryAfter {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    /// Nobody is made to wait longer than a day.
    private static let maximum: Int64 = 86_400_000

    /// Milliseconds from `now` (since 1970) on; `nil` when it cannot be read.
    static func milliseconds(_ text: String, now: Int64) -> Int64? {
        let trimmed = text.split(separator: " ").map(String.init)
        if trimmed.count == 1, let seconds = Int64(trimmed[0]), seconds >= 0 {
            return min(seconds, maximum / 1000) * 1000
        }
        // IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
        guard trimmed.count == 6, trimmed[5] == "GMT", let month = months.firstIndex(of: trimmed[2]),
            let time = EventTime(
                "\(trimmed[3])-\(month < 9 ? "0" : "")\(month + 1)-\(trimmed[1])T\(trimmed[4])Z")
        else { return nil }
        return min(max(0, time.milliseconds - now), maximum)
    }
}
