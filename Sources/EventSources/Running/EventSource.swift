/// A running producer of events.
package protocol EventSource: Sendable {
    /// Produces events until it is cancelled (then it returns or throws `CancellationError`), until it is finished (then
    /// it returns), or until it cannot go on (then it throws, and is started again after a while).
    func run() async throws
}

/// Why a source cannot go on.
package struct SourceError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// The folder or file is not there (yet).
        case missing
        /// It is there and may not be read.
        case forbidden
        /// The system's limit of watches or instances is reached.
        case watchLimit
        /// Reading failed.
        case ioFailure
        /// The state that was kept is not of this version.
        case state
        /// A channel that the source names is not there.
        case channel
        /// The source is of a kind that does not run.
        case unsupported
    }

    package let code: Code
    /// A sentence that names the file and says what to do.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
