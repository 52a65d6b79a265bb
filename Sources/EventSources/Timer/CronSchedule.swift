import CloudEvents
package import StorageEvents

/// A schedule as cron writes it: minute, hour, day of the month, month, day of the week.
///
/// Days: when both are restricted, one of them is enough (POSIX, crontab). Where summer time begins, a time that does
/// not exist is as far behind the change as it would have been; where it ends, a time that comes twice is the first one,
/// except where the hour is `*`: that means each hour that passes.
package struct CronSchedule: Sendable, Hashable {
    package let text: String
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let isEveryHour: Bool
    private let isAnyDay: Bool
    private let isAnyWeekday: Bool

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let short = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// - Throws: ``CronError`` that names the field.
    package init(_ text: String) throws(CronError) {
        self.text = text
        let fields = (Self.short[text] ?? text).split(separator: " ").map(String.init)
        guard fields.count == 5 else {
            throw CronError(
                "\"\(text)\" has \(fields.count) fields: minute, hour, day, month and day of the week are five")
        }
        minutes = try Self.field(fields[0], 0...59, "minute")
        hours = try Self.field(fields[1], 0...23, "hour")
        days = try Self.field(fields[2], 1...31, "day")
        months = try Self.field(fields[3], 1...12, "month", names: Self.monthNames, first: 1)
        weekdays = Set(
            try Self.field(fields[4], 0...7, "day of the week", names: Self.dayNames, first: 0).map { $0 % 7 })
        isEveryHour = fields[1].hasPrefix("*")
        isAnyDay = fields[2].hasPrefix("*")
        isAnyWeekday = fields[4].hasPrefix("*")
        guard
            days.contains(where: { $0 <= 29 }) || !isAnyWeekday
                || months.contains(where: { month in
                    days.contains { $0 <= EventTime.daysIn(month: month, year: 2000) }
                })
        else { throw CronError("\"\(text)\" never comes: no such day is in these months") }
    }

    private static func field(
        _ text: String, _ range: ClosedRange<Int>, _ what: String, names: [String] = [], first: Int = 0
    ) throws(CronError) -> Set<Int> {
        func number(_ part: Substring) throws(CronError) -> Int {
            if let index = names.firstIndex(of: part.lowercased()) { return index + first }
            guard let number = Int(part), range.contains(number), part.utf8.allSatisfy({ $0 &- 48 < 10 }) else {
                throw CronError("the \(what) \"\(part)\" is not \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        var values: Set<Int> = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count <= 2, let span = parts.first, !span.isEmpty else {
                throw CronError("the \(what) \"\(item)\" cannot be read")
            }
            var step = 1
            if parts.count == 2 {
                guard let every = Int(parts[1]), every > 0, every <= range.upperBound else {
                    throw CronError("the step \"\(parts[1])\" of the \(what) is no number from 1 on")
                }
                step = every
            }
            var low = range.lowerBound
            var high = range.upperBound
            if span != "*" {
                let ends = span.split(separator: "-", omittingEmptySubsequences: false)
                guard ends.count <= 2 else { throw CronError("the \(what) \"\(span)\" cannot be read") }
                low = try number(ends[0])
                high = ends.count == 2 ? try number(ends[1]) : parts.count == 2 ? range.upperBound : low
                guard low <= high else { throw CronError("the \(what) \"\(span)\" ends before it begins") }
            }
            values.formUnion(stride(from: low, through: high, by: step))
        }
        return values
    }

    /// The first time after a moment; seconds since 1970. `nil` when there is none within 28 years.
    package func next(after moment: Int64, in zone: ZoneRules) -> Int64? {
        // By local days from the day before on, so that no change of the clock is jumped over.
        let start = Self.floored(moment + Int64(zone.offset(at: moment)), 86_400) - 1
        var best: Int64?
        for day in start..<(start + 28 * 366 + 2) {
            // Times of the next day may still come before one of this, where the clock goes back: one more is looked at.
            if let best, day * 86_400 - 86_400 > best + Int64(zone.offset(at: best)) { return best }
            guard admits(day: Int(day)) else { continue }
            for hour in hours {
                for minute in minutes {
                    let local = day * 86_400 + Int64(hour * 3_600 + minute * 60)
                    for candidate in moments(local, zone) where candidate > moment && candidate < best ?? .max {
                        best = candidate
                    }
                }
            }
        }
        return best
    }

    /// The moments that a local time of the schedule stands for.
    private func moments(_ local: Int64, _ zone: ZoneRules) -> [Int64] {
        switch zone.resolve(local: local) {
        case .unique(let offset): [local - Int64(offset)]
        case .ambiguous(let first, let second):
            isEveryHour ? [local - Int64(first), local - Int64(second)] : [local - Int64(first)]
        // With every hour the hour before and the one behind are told anyway.
        case .skipped(let offset): isEveryHour ? [] : [local - Int64(offset)]
        }
    }

    private func admits(day: Int) -> Bool {
        let date = EventTime.civil(fromDays: day)
        guard months.contains(date.month) else { return false }
        let isDay = days.contains(date.day)
        let isWeekday = weekdays.contains(((day + 4) % 7 + 7) % 7)
        if isAnyDay { return isWeekday }
        if isAnyWeekday { return isDay }
        return isDay || isWeekday
    }

    private static func floored(_ value: Int64, _ by: Int64) -> Int64 {
        value >= 0 ? value / by : (value - by + 1) / by
    }
}

/// Why a text is no schedule.
package struct CronError: Error, Sendable, Hashable, CustomStringConvertible {
    package let message: String
    init(_ message: String) { self.message = message }
    package var description: String { message }
}
