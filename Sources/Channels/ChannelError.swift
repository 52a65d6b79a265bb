/// Why a channel could not do what was asked.
public struct ChannelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it is, for a program.
    public enum Code: String, Sendable, Hashable {
        /// The disk is full: nothing was acknowledged; writing goes on by itself when there is space again.
        case diskFull
        /// The disk failed; the partition refuses writes until it has been reopened and recovered.
        case ioFailure
        /// The event is larger than a record may be.
        case recordTooLarge
        /// The channel is being closed.
        case closed
        /// There is no such partition or the offset lies beyond the end.
        case outOfRange
        /// The files in the folder are not a log of this version.
        case format
        /// Another process works on the folder.
        case locked
        /// What is asked cannot be made of what is there (fewer partitions than before).
        case conflict
        /// The brokers cannot be reached or do not answer: nothing was acknowledged, though it may be there; again later.
        case unavailable
        /// The brokers do not let this server do it.
        case denied
    }

    public let code: Code
    /// A sentence for the person who must act: which file, which offset, what the system said.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
