/// Why a worker could not be had.
package struct SandboxError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable {
        /// The launcher program is missing or does not start.
        case launcherMissing
        /// The launcher ended; the next start begins a new one.
        case launcherLost
        /// The worker's program could not be started.
        case startFailed
        /// A sandbox, or a part of it, could not be made.
        case sandboxFailed
        /// The host gives less isolation than the operator demands.
        case isolationMissing
        /// A process that was to become the worker has ended meanwhile; another way may serve.
        case stemLost
        /// More strings than a start request holds.
        case requestTooLarge
        /// The system refused a resource (descriptors, memory, a thread).
        case resources
        case ioFailure
        /// What is to be shown to a worker is not any more what was opened.
        case sourceChanged
        case stopped
    }

    package let code: Code
    /// A sentence for the person who must act.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
