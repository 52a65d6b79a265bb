import CloudEvents

/// The offsets of one time zone from UTC, past and to come.
///
/// Made from a TZif file's bytes (``init(tzif:)``; the caller reads `/usr/share/zoneinfo/…`) or for a fixed offset.
public struct ZoneRules: Sendable, Hashable {
    /// The moments (seconds since 1970, UTC) at which the offset changes, ascending.
    let transitions: [Int64]
    /// `offsets[i]` holds from `transitions[i - 1]` until `transitions[i]`, in seconds east of UTC.
    let offsets: [Int]
    /// What holds after the last transition.
    let rule: DaylightRule?

    /// Coordinated Universal Time.
    public static let utc = ZoneRules(offsetSeconds: 0)

    /// A zone that always is `offsetSeconds` east of UTC.
    public init(offsetSeconds: Int) {
        self.init(transitions: [], offsets: [offsetSeconds], rule: nil)
    }

    init(transitions: [Int64], offsets: [Int], rule: DaylightRule?) {
        self.transitions = transitions
        self.offsets = offsets
        self.rule = rule
    }

    /// Seconds east of UTC at a moment.
    public func offset(at utc: Int64) -> Int {
        if let last = transitions.last, utc < last {
            var low = 0
            var high = transitions.count
            while low < high {
                let middle = (low + high) / 2
                if transitions[middle] <= utc { low = middle + 1 } else { high = middle }
            }
            return offsets[low]
        }
        return rule?.offset(at: utc) ?? offsets[offsets.count - 1]
    }

    /// What a local time may mean.
    public enum LocalTime: Sendable, Hashable {
        /// One moment.
        case unique(offset: Int)
        /// Two moments: the hour that is repeated when summer time ends. `first` is the offset of the earlier one.
        case ambiguous(first: Int, second: Int)
        /// None: the hour that is left out when summer time begins; read with the offset of before.
        case skipped(offset: Int)
    }

    /// What a local time, as seconds since 1970 as if it were UTC, may mean.
    public func resolve(local: Int64) -> LocalTime {
        let before = offset(at: local - 86_400)
        let after = offset(at: local + 86_400)
        if before == after { return .unique(offset: before) }
        let isBefore = offset(at: local - Int64(before)) == before
        let isAfter = offset(at: local - Int64(after)) == after
        switch (isBefore, isAfter) {
        case (true, true): return .ambiguous(first: before, second: after)
        case (true, false): return .unique(offset: before)
        case (false, true): return .unique(offset: after)
        case (false, false): return .skipped(offset: before)
        }
    }
}

/// The rule at the end of a TZif file: a POSIX `TZ` text such as `CET-1CEST,M3.5.0,M10.5.0/3` (RFC 9636 §3.3).
struct DaylightRule: Sendable, Hashable {
    /// A day of a year.
    enum Day: Sendable, Hashable {
        /// `Mm.w.d`: weekday `d` (0 is Sunday) of week `w` (5 is the last) of month `m`.
        case weekday(month: Int, week: Int, day: Int)
        /// `Jn`: day 1–365, never 29 February.
        case julian(Int)
        /// `n`: day 0–365, 29 February counted.
        case zeroBased(Int)
    }

    let standard: Int
    /// Nothing when the zone has no summer time.
    let summer: Summer?

    struct Summer: Sendable, Hashable {
        let offset: Int
        let start: Day
        /// Seconds after local midnight; may be negative or beyond a day.
        let startTime: Int
        let end: Day
        let endTime: Int
    }

    func offset(at utc: Int64) -> Int {
        guard let summer else { return standard }
        let localDays = Int((Double(utc + Int64(standard)) / 86_400).rounded(.down))
        let year = EventTime.civil(fromDays: localDays).year
        // A rule's day may lie across New Year (southern half), so the neighbours are looked at too.
        var latest = Int64.min
        var offset = standard
        for candidate in (year - 1)...(year + 1) {
            let on = Self.midnight(summer.start, year: candidate) + Int64(summer.startTime - standard)
            let off = Self.midnight(summer.end, year: candidate) + Int64(summer.endTime - summer.offset)
            if on <= utc, on > latest { (latest, offset) = (on, summer.offset) }
            if off <= utc, off >= latest { (latest, offset) = (off, standard) }
        }
        return offset
    }

    private static func midnight(_ day: Day, year: Int) -> Int64 {
        let days: Int
        switch day {
        case .weekday(let month, let week, let weekday):
            let first = EventTime.daysFromCivil(year: year, month: month, day: 1)
            let firstWeekday = ((first + 4) % 7 + 7) % 7
            var date = 1 + (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
            while date > EventTime.daysIn(month: month, year: year) { date -= 7 }
            days = first + date - 1
        case .julian(let number):
            let leap = EventTime.daysIn(month: 2, year: year) == 29 && number >= 60
            days = EventTime.daysFromCivil(year: year, month: 1, day: 1) + number - 1 + (leap ? 1 : 0)
        case .zeroBased(let number):
            days = EventTime.daysFromCivil(year: year, month: 1, day: 1) + number
        }
        return Int64(days) * 86_400
    }
}
