/// How a source is doing.
package struct SourceStatus: Sendable, Hashable {
    package enum State: Sendable, Hashable {
        case starting
        case running
        /// Not working, or working with something in the way; it is tried again by itself. `since` is in milliseconds since 1970.
        case failing(why: String, since: Int64)
        /// Ended: because it was told to, or because its input has ended (`finished`).
        case stopped(finished: Bool)

        /// The word for a table.
        package var name: String {
            switch self {
            case .starting: "starting"
            case .running: "running"
            case .failing: "failing"
            case .stopped(let finished): finished ? "finished" : "stopped"
            }
        }
    }

    /// What is known to lie unread.
    package struct Lag: Sendable, Hashable {
        package var bytes: Int64 = 0
        package var events: Int64 = 0

        package init(bytes: Int64 = 0, events: Int64 = 0) {
            self.bytes = bytes
            self.events = events
        }
    }

    package struct Counts: Sendable, Hashable {
        /// Events that the channel took.
        package var events: Int64 = 0
        /// Events that the channel knew already.
        package var duplicates: Int64 = 0
        /// Lines or files that could not be read and went to the dead letters.
        package var unreadable: Int64 = 0
        /// How often something may have been lost.
        package var gaps: Int64 = 0
    }

    package var state: State = .starting
    package var lag = Lag()
    package var counts = Counts()
    /// When the source last appended an event; milliseconds since 1970.
    package var lastAppend: Int64?
    /// The time that the last event itself bears; milliseconds since 1970. Now minus this is the age of the last event.
    package var lastEventTime: Int64?
    /// Where it has got to, for a person.
    package var position: String?
    /// What is not as it should be though the source works: a folder that cannot be read, a loop; newest last.
    package var notes: [String] = []

    package init() {}
}
