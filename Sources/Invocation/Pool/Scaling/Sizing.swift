/// How many workers a version should have: a pure function of what is known of its calls.
///
/// A worker more is worth its start only if it is ready before the others have done the work that waits. By Little's law
/// a version needs arrival rate × duration workers on average; beyond that the queue decides.
struct Sizing: Sendable, Equatable {
    /// Jobs that wait.
    var waiting: Int
    /// How long the first of them has waited, milliseconds.
    var waited: Int64
    /// Workers that run something now.
    var busy: Int
    /// Workers that start, idle or run.
    var alive: Int
    /// Of these, such that start.
    var starting: Int
    /// Jobs that one worker takes at the same time.
    var slots: Int
    /// Mean time of a job, milliseconds; `nil` while none has ended.
    var duration: Double?
    /// Jobs a millisecond.
    var rate: Double
    /// Mean time that jobs waited, milliseconds.
    var wait: Double
    /// How long a start takes, milliseconds.
    var startTime: Double
    var floor: Int
    var ceiling: Int
    /// A backlog of so many milliseconds makes all workers start at once.
    var burst: Int64

    /// How busy workers may be on average before one more is wanted ahead of need.
    static var utilisation: Double { 0.8 }
    /// The least time after which a waiting job gets a worker more whatever the means say, milliseconds.
    static var leastPatience: Double { 30 }

    struct Wish: Equatable {
        /// How many workers there should be.
        var workers: Int
        var cause: StartCause
        /// How long until the answer may be another though nothing happens, milliseconds.
        var review: Int64?
    }

    /// After this time a waiting job is proof that the means mislead.
    var patience: Int64 {
        Int64(max(Self.leastPatience, 1.5 * startTime))
    }

    var wish: Wish {
        guard waiting > 0 else { return ahead }
        let limited = { (wanted: Int) in min(max(wanted, floor), ceiling) }
        guard alive > 0 else {
            return Wish(workers: limited(jobsAtOnce), cause: .noWorker, review: nil)
        }
        guard let duration else {
            // Nobody knows how long they take: nobody should have to wait for another.
            return Wish(workers: limited(busy + jobsAtOnce), cause: .busy(alive, waiting), review: nil)
        }
        let perJob = max(duration / Double(slots), 0.001)
        let ready = alive - starting
        // What those that are ready will have done before a new one is, and how many more would do the rest as fast. Jobs
        // longer than a start do not wait for each other.
        let done = perJob >= startTime ? 0 : Double(ready) * startTime / perJob
        let left = max(0, Double(waiting) - done)
        var more = ready + Int((left * perJob / max(startTime, perJob)).rounded(.up)) - alive
        var cause = StartCause.busy(alive, waiting)
        if Double(waiting) * perJob / Double(alive) > Double(burst) {
            cause = .burst(alive, waiting)
        } else {
            // Growth by doubling: a few waiting calls do not fill the machine.
            more = min(more, max(1, ready) - starting)
        }
        if more <= 0, starting == 0, waited >= patience {
            more = 1
            cause = .waited(waited)
        }
        let wanted = limited(alive + max(0, more))
        return Wish(
            workers: max(wanted, min(alive, ceiling)), cause: cause,
            review: wanted < ceiling ? max(1, patience - waited) : nil)
    }

    /// Nothing waits: the floor, and one more when all are busy, the mean says that they will not do, and calls have had to
    /// wait. Without the last, one caller who asks again as soon as he is answered would be given a second worker.
    private var ahead: Wish {
        var wanted = floor
        var cause = StartCause.floor(floor)
        if let duration, alive > 0, busy == alive, starting == 0, wait >= max(1, duration / 2) {
            let needed = Int((rate * duration / Double(slots) / Self.utilisation).rounded(.up))
            if needed > alive, alive + 1 > floor {
                wanted = alive + 1
                cause = .rate(perSecond: rate * 1_000, milliseconds: duration)
            }
        }
        return Wish(workers: min(wanted, ceiling), cause: cause, review: nil)
    }

    /// Workers for all that wait, each with as many as it takes.
    private var jobsAtOnce: Int { (waiting + slots - 1) / slots }
}
