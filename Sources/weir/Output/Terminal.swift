import Glibc

/// What the command knows of where its output goes.
struct Terminal: Sendable {
    /// Whether colours may be used: a terminal, and `NO_COLOR` not set (https://no-color.org).
    let hasColour: Bool
    /// Whether progress may be drawn on standard error.
    let showsProgress: Bool
    /// Columns of the terminal; `nil` when the output is no terminal, and nothing is cut.
    let width: Int?

    init() {
        let out = isatty(STDOUT_FILENO) == 1
        hasColour = out && getenv("NO_COLOR") == nil && getenv("TERM").map { String(cString: $0) } != "dumb"
        showsProgress = isatty(STDERR_FILENO) == 1
        var size = winsize()
        width = out && ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    enum Colour: String {
        case red = "31", green = "32", yellow = "33", blue = "34", dim = "2", bold = "1"
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        hasColour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Colours a word that says how something is.
    func state(_ word: String) -> String {
        switch word {
        case "success", "running", "ok", "ready", "done", "created": paint(word, .green)
        case "failing", "failed", "timeout", "developer error", "application error", "internal error", "staging error",
            "stopped",
            "deleted":
            paint(word, .red)
        case "paused", "starting", "updated", "catching up", "cancelled": paint(word, .yellow)
        case "unchanged": paint(word, .dim)
        default: word
        }
    }

    /// Writes to standard output, whole; a closed pipe (`| head`) ends the command quietly, as for other tools.
    func write(_ text: String) {
        write(bytes: Array(text.utf8))
    }

    /// Writes bytes to standard output, whole.
    func write(bytes: [UInt8]) {
        var offset = 0
        bytes.withUnsafeBytes { buffer in
            while offset < buffer.count {
                let count = Glibc.write(STDOUT_FILENO, buffer.baseAddress! + offset, buffer.count - offset)
                if count < 0 {
                    if errno == EINTR { continue }
                    exit(errno == EPIPE ? 0 : ExitStatus.failure.rawValue)
                }
                offset += count
            }
        }
    }

    func line(_ text: String = "") { write(text + "\n") }

    /// Writes a line to standard error.
    func note(_ text: String) {
        var bytes = Array(text.utf8)
        bytes.append(0x0A)
        bytes.withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Draws a progress line over the last one; nothing when standard error is no terminal.
    func progress(_ text: String) {
        guard showsProgress else { return }
        let bytes = Array("\r\u{1B}[K\(text)".utf8)
        bytes.withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Removes the progress line.
    func endProgress() { progress("") }
}
