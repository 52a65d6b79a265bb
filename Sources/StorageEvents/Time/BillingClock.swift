import CloudEvents

/// Settles local times of a billing file: the year from the file's name, the offset from the zone, and which of the two
/// hours is meant when summer time ends.
///
/// In the repeated hour a line does not say which pass it is. The first is assumed until the local time falls from one
/// line to the next by more than messages come late; then the second has begun. Either way the time is marked as
/// ambiguous. Flushes and recalls carry the time of their request, minutes before, so their falls say nothing.
struct BillingClock: Sendable, Hashable {
    /// The year and month that the file's name says.
    let fileYear: Int?
    let fileMonth: Int?
    let zone: ZoneRules
    /// A fall of local time below this many seconds is a late message, not the second pass.
    static let lateness: Int64 = 60

    /// The latest ambiguous local time seen in the pass that is running; `nil` outside the repeated hour.
    var highest: Int64?
    /// Whether the second pass of the repeated hour has begun.
    var isSecondPass = false

    init(fileYear: Int?, fileMonth: Int?, zone: ZoneRules) {
        self.fileYear = fileYear
        self.fileMonth = fileMonth
        self.zone = zone
    }

    /// The year of a record's month: the file's, but December in a January file is last year's (a record may come after
    /// midnight), January in a December file next year's (a clock may be ahead).
    @inline(__always)
    func year(month: Int) -> Int? {
        guard let fileYear, let fileMonth else { return fileYear }
        if fileMonth == 1, month == 12 { return fileYear - 1 }
        if fileMonth == 12, month == 1 { return fileYear + 1 }
        return fileYear
    }

    /// The offset of a local time, in seconds, and whether it is ambiguous.
    mutating func offset(local: Int64, tellsOrder: Bool) -> (seconds: Int, isAmbiguous: Bool) {
        switch zone.resolve(local: local) {
        case .unique(let offset), .skipped(let offset):
            if tellsOrder {
                highest = nil
                isSecondPass = false
            }
            return (offset, false)
        case .ambiguous(let first, let second):
            if tellsOrder {
                if let highest, local + Self.lateness < highest {
                    isSecondPass = true
                    self.highest = local
                } else {
                    highest = max(highest ?? local, local)
                }
            }
            return (isSecondPass ? second : first, true)
        }
    }

    /// Whether all of the local hour that begins at `local` has one and the same offset.
    func isPlainHour(local: Int64) -> Bool {
        if case .unique(let a) = zone.resolve(local: local), case .unique(let b) = zone.resolve(local: local + 3_599),
            a == b, zone.offset(at: local - Int64(a) - 7_200) == a, zone.offset(at: local - Int64(a) + 7_200) == a
        {
            return true
        }
        return false
    }
}
