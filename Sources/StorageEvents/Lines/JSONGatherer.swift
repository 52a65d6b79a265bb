/// Puts JSON texts together that go over several lines, by counting brackets outside strings.
///
/// A text that is broken must not swallow the rest of the input: a line that begins an object at its first column, while
/// another object is open, ends that one.
struct JSONGatherer: Sendable {
    struct Document {
        var bytes: [UInt8]
        var line: Int
    }

    private var bytes: [UInt8] = []
    private var firstLine = 0
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    var isEmpty: Bool { bytes.isEmpty }

    /// The open text, when `line` begins a new one.
    mutating func interrupted(by line: Run) -> Document? {
        guard !bytes.isEmpty, bytes.first == 0x7B, line.count > 1, line[0] == 0x7B else { return nil }
        return take()
    }

    /// Adds a line; the text when it is whole.
    mutating func add(_ line: Run, lineNumber: Int, limit: Int) -> Document? {
        if bytes.isEmpty { firstLine = lineNumber } else { bytes.append(0x0A) }
        bytes.append(contentsOf: line)
        for byte in line {
            if isEscaped {
                isEscaped = false
            } else if isInString {
                if byte == 0x5C { isEscaped = true } else if byte == 0x22 { isInString = false }
            } else {
                switch byte {
                case 0x22: isInString = true
                case 0x7B, 0x5B: depth += 1
                case 0x7D, 0x5D: depth -= 1
                default: break
                }
            }
        }
        // JSON strings hold no line feed: one that is open now is an error, and the text is over.
        return depth <= 0 || isInString || bytes.count > limit ? take() : nil
    }

    /// What is open, and a fresh start; `nil` when nothing is.
    mutating func take() -> Document? {
        guard !bytes.isEmpty else { return nil }
        let document = Document(bytes: bytes, line: firstLine)
        self = JSONGatherer()
        return document
    }
}
