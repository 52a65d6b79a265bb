/// Why a file could not be brought in, or what a run made could not be put in its place.
package struct StagingError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// There is no such mount, or this namespace may not use it so.
        case mount
        /// The event names no file, or one that lies on no mount.
        case noFile
        /// The file is gone.
        case missing
        /// The file is another than the event told of.
        case changed
        /// The file is a link, a device or something else that is no file, or leads over a link.
        case notRegular
        /// The server may not read or write there.
        case denied
        /// What the run left cannot be taken: a link, a device, a name, too many of them.
        case refused
        /// The run left more than it may.
        case tooLarge
        /// There is a file at the place already.
        case exists
        /// The place's path cannot be made of this event.
        case place
        case diskFull
        case ioFailure
    }

    package let code: Code
    /// A sentence for the person who must act.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// What the system said, as an error that says what was being done.
    init(_ doing: String, errno number: Int32) {
        let reason = SystemReason(number)
        self.init(reason.code, "\(doing): \(reason.text)")
    }
}
