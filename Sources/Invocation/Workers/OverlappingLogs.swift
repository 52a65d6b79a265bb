internal import Glibc

/// Takes the bytes of a worker's log pipes apart where several calls run at a time, each the one call of its frame.
///
/// Before all that a call writes stands a marker line, `NUL token frame 0 LF`. The two pipes are read at different times,
/// so each has its own idea of who writes.
struct OverlappingLogs {
    private static var longestLine: Int { 64 << 10 }

    private struct Pipe {
        var frame: Int?
        var rest: [UInt8] = []
    }

    private let marker: [UInt8]
    private let limit: Int
    private var pipes = (Pipe(), Pipe())
    private var found: [Int: LogCollector.Lines] = [:]

    init(token: String, limit: Int64) {
        marker = [0] + Array(token.utf8) + [0x20]
        self.limit = Int(clamping: limit)
    }

    /// Takes bytes of a pipe. `observe` is called with every line that is kept.
    mutating func add(
        _ bytes: UnsafeRawBufferPointer, toError: Bool, time: Int64, observe: ((Int, Activation.LogLine) -> Void)?
    ) {
        var piece = bytes[...]
        while let end = piece.firstIndex(of: 0x0A) {
            append(piece[..<end], toError)
            endLine(toError, time, observe)
            piece = piece[(end + 1)...]
        }
        append(piece, toError)
    }

    /// What a frame's call wrote, taken out; before the first frame, what was written while the code was loaded.
    mutating func take(frame: Int) -> LogCollector.Lines? { found.removeValue(forKey: frame) }

    /// What has no end of line yet is a line: the worker has ended.
    mutating func endLines(time: Int64) {
        endLine(false, time, nil)
        endLine(true, time, nil)
    }

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>, _ toError: Bool) {
        let known = toError ? pipes.1.rest.count : pipes.0.rest.count
        let room = bytes.prefix(max(0, Self.longestLine - known))
        if toError { pipes.1.rest.append(contentsOf: room) } else { pipes.0.rest.append(contentsOf: room) }
    }

    private mutating func endLine(_ toError: Bool, _ time: Int64, _ observe: ((Int, Activation.LogLine) -> Void)?) {
        var pipe = toError ? pipes.1 : pipes.0
        defer { if toError { pipes.1 = pipe } else { pipes.0 = pipe } }
        let line = pipe.rest
        pipe.rest = []
        guard !line.isEmpty else { return }
        if line.starts(with: marker) {
            let numbers = line[marker.count...].split(separator: 0x20).compactMap {
                Int(String(decoding: $0, as: UTF8.self))
            }
            if numbers.count == 2 { pipe.frame = numbers[0] }
            return
        }
        let frame = pipe.frame ?? 0
        var lines = found[frame] ?? LogCollector.Lines()
        let room = limit - lines.bytes
        guard room > 0 else {
            lines.isTruncated = true
            found[frame] = lines
            return
        }
        if line.count > room || line.count == Self.longestLine { lines.isTruncated = true }
        let entry = Activation.LogLine(
            time: time, stream: toError ? .stderr : .stdout, text: String(decoding: line.prefix(room), as: UTF8.self))
        lines.lines.append(entry)
        // An empty line costs memory too.
        lines.bytes += min(line.count, room) + 1
        found[frame] = lines
        observe?(frame, entry)
    }
}
