import ArgumentParser

/// How the command ends; `docs/reference/command-line.md` lists them for scripts.
enum ExitStatus: Int32 {
    /// What was asked was done.
    case success = 0
    /// It was understood and tried, and failed.
    case failure = 1
    /// Some of the input could not be read; the rest was done (`decode`, `publish`).
    case partial = 2
    /// No server answers.
    case unreachable = 3
    /// There is no such thing.
    case notFound = 4
    /// The key is missing, unknown, or may not do this.
    case denied = 5
    /// The thing has changed meanwhile, or is in use.
    case conflict = 6
    /// The server refused the input: the message says where.
    case invalid = 7
    /// The function ran and failed (`invoke`).
    case activationFailed = 10

    var code: ExitCode { ExitCode(rawValue) }
}

/// A failure that ends the command: a sentence on standard error and an exit status.
struct CommandFailure: Error, CustomStringConvertible {
    let status: ExitStatus
    let message: String
    /// Further lines: one for each place in the input.
    var details: [String] = []

    init(_ status: ExitStatus, _ message: String, details: [String] = []) {
        self.status = status
        self.message = message
        self.details = details
    }

    var description: String { ([message] + details.map { "  " + $0 }).joined(separator: "\n") }
}
