/// Notices a member of a group that gets nowhere any more.
///
/// librdkafka joins anew after a refusal, and after a request to join that nobody answers (`max.poll.interval.ms` and three
/// seconds later). Two kinds of members come back by no means of its own: one that failed for good, as a static member does
/// when another has its name, and one whose librdkafka stands still: before 2.6.1 its cooperative assignor may search for
/// ever when a group has more members than partitions (librdkafka's issue 4783).
///
/// Time is counted in beats of a clock that stands still with the process: what did not happen meanwhile says nothing.
struct MemberWatch {
    /// Where a member is, as librdkafka's statistics have it.
    enum Standing: Hashable {
        /// It is in the group, with partitions or without.
        case settled
        /// It asks to be in the group.
        case asking
        /// It can do nothing but wait: for brokers, or for its owner, who gives partitions up.
        case held

        /// - Parameters:
        ///   - state: `cgrp.state` of the statistics (STATISTICS.md), what is known of the coordinator.
        ///   - join: `cgrp.join_state`.
        init(state: String, join: String) {
            self =
                switch (state, join) {
                case ("up", "steady"): .settled
                case ("up", "wait-assign-call"), ("up", "wait-unassign-call"): .held
                case ("up", _): .asking
                default: .held
                }
        }
    }

    enum Trouble: Hashable {
        /// No statistics have come: the library stands still.
        case silent
        /// The group does not take it.
        case outside
        /// It failed for good.
        case failed
    }

    /// Milliseconds.
    let beat: Int
    private let patience: Int
    private let limit: Int
    private let failureLimit: Int
    private var standing = Standing.held
    private var silent = 0
    private var outside = 0
    private var failed = 0
    /// Whether it was in the group at any time.
    private(set) var hasSettled = false
    /// Whether it wants to be in the group.
    var isWanted = false {
        didSet { if isWanted != oldValue { (silent, outside, standing) = (0, 0, .held) } }
    }

    /// - Parameters:
    ///   - session: `session.timeout.ms`.
    ///   - rebalance: `max.poll.interval.ms`: how long a rebalance may take.
    ///   - factor: how much more patience than the first time.
    init(session: Int, rebalance: Int, factor: Int = 1) {
        let longest = 2 * session + rebalance
        beat = min(max(longest / 20, 500), 5_000)
        patience = longest * factor
        limit = patience / beat
        failureLimit = session * factor / beat
    }

    mutating func heard(_ news: Standing) {
        standing = news
        silent = 0
        guard news == .settled else { return }
        outside = 0
        hasSettled = true
    }

    /// - Returns: what there is no more waiting for.
    mutating func count(hasFailed: Bool) -> Trouble? {
        guard isWanted else { return nil }
        silent += 1
        if standing == .asking { outside += 1 }
        if hasFailed { failed += 1 }
        if failed > failureLimit { return .failed }
        if silent > limit { return .silent }
        return outside > limit ? .outside : nil
    }
}
