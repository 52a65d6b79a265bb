internal import Glibc

/// Takes the bytes of a worker's log pipes apart: lines, by the call that wrote them, up to a limit each.
///
/// A runner that has several calls in one frame names the running one by a marker line, `NUL token frame index LF`,
/// before the first bytes that the call writes to a pipe. What comes without a marker belongs to the call named last in
/// that pipe: the two are read at different times. Memory is bounded whatever a worker writes: by the limit for each call,
/// and one line's limit for what has no end yet.
struct LogCollector {
    /// The lines that no call has taken go to this one: its process died before they could be told apart.
    mutating func attribute(restTo call: Int) {
        guard !found.contains(where: { $0.call == call }), let last = found.indices.last else { return }
        found[last].call = call
    }

    /// What one call wrote.
    struct Lines {
        var lines: [Activation.LogLine] = []
        var bytes = 0
        var isTruncated = false
    }

    /// The longest line that is kept whole.
    private static var maximumLine: Int { 64 << 10 }

    private struct Pipe {
        /// The call named last.
        var call = 0
        /// What was written last, without an end of line.
        var rest: [UInt8] = []
    }

    private let marker: [UInt8]
    private let limit: Int
    private var frame = 0
    private var (output, errorOutput) = (Pipe(), Pipe())
    /// What each call of the running frame wrote. Most write nothing: a sparse list in the order of first writing.
    private var found: [(call: Int, lines: Lines)] = []

    init(token: String, limit: Int64) {
        marker = [0] + Array(token.utf8) + [0x20]
        self.limit = Int(clamping: limit)
    }

    var isEmpty: Bool { found.isEmpty && output.rest.isEmpty && errorOutput.rest.isEmpty }

    private subscript(toError: Bool) -> Pipe {
        get { toError ? errorOutput : output }
        _modify { if toError { yield &errorOutput } else { yield &output } }
    }

    /// A new frame runs; what was written between frames goes to its first call.
    mutating func begin(frame: Int) {
        self.frame = frame
        (output.call, errorOutput.call) = (0, 0)
    }

    /// Takes bytes of a pipe. `observe` is called with every whole line, kept or not.
    mutating func add(
        _ bytes: UnsafeRawBufferPointer, toError: Bool, time: Int64, observe: ((Int, Activation.LogLine) -> Void)?
    ) {
        guard let start = bytes.baseAddress else { return }
        var position = 0
        while position < bytes.count {
            guard let end = memchr(start + position, 0x0A, bytes.count - position) else {
                keep(rest: bytes[position...], toError: toError)
                return
            }
            let stop = UnsafeRawPointer(end) - start
            let piece = UnsafeRawBufferPointer(rebasing: bytes[position..<stop])
            position = stop + 1
            if !self[toError].rest.isEmpty {
                keep(rest: piece[...], toError: toError)
                let whole = self[toError].rest
                self[toError].rest = []
                whole.withUnsafeBytes { line($0, toError: toError, time: time, observe: observe) }
            } else {
                line(piece, toError: toError, time: time, observe: observe)
            }
        }
    }

    /// Ends the frame (or the worker): unfinished lines are lines now.
    mutating func endLines(time: Int64, observe: ((Int, Activation.LogLine) -> Void)?) {
        for toError in [false, true] {
            let rest = self[toError].rest
            guard !rest.isEmpty else { continue }
            self[toError].rest = []
            rest.withUnsafeBytes { line($0, toError: toError, time: time, observe: observe) }
        }
    }

    /// What a call wrote, taken out.
    mutating func take(call: Int) -> Lines? {
        guard let index = found.firstIndex(where: { $0.call == call }) else { return nil }
        return found.remove(at: index).lines
    }

    private mutating func keep(rest: Slice<UnsafeRawBufferPointer>, toError: Bool) {
        let room = Self.maximumLine - self[toError].rest.count
        let piece = rest.prefix(max(0, room))
        if piece.count < rest.count { update(self[toError].call) { $0.isTruncated = true } }
        self[toError].rest.append(contentsOf: piece)
    }

    private mutating func line(
        _ bytes: UnsafeRawBufferPointer, toError: Bool, time: Int64, observe: ((Int, Activation.LogLine) -> Void)?
    ) {
        // A marker may follow bytes that a C library wrote without an end of line.
        if let place = markerPlace(in: bytes) {
            let before = UnsafeRawBufferPointer(rebasing: bytes[..<place])
            if !before.isEmpty { store(before, toError: toError, time: time, observe: observe) }
            readMarker(UnsafeRawBufferPointer(rebasing: bytes[(place + marker.count)...]), toError: toError)
        } else {
            store(bytes, toError: toError, time: time, observe: observe)
        }
    }

    private func markerPlace(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        var position = 0
        while bytes.count - position >= marker.count, let found = memchr(start + position, 0, bytes.count - position) {
            position = UnsafeRawPointer(found) - start
            guard bytes.count - position >= marker.count else { return nil }
            if memcmp(start + position, marker, marker.count) == 0 { return position }
            position += 1
        }
        return nil
    }

    private mutating func readMarker(_ bytes: UnsafeRawBufferPointer, toError: Bool) {
        let numbers = bytes.split(separator: 0x20).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 2, numbers[0] == frame, numbers[1] >= 0 else { return }
        self[toError].call = numbers[1]
    }

    private mutating func store(
        _ bytes: UnsafeRawBufferPointer, toError: Bool, time: Int64, observe: ((Int, Activation.LogLine) -> Void)?
    ) {
        let limit = self.limit
        let call = self[toError].call
        var kept: Activation.LogLine?
        update(call) { lines in
            let room = limit - lines.bytes
            guard room > 0 else {
                lines.isTruncated = true
                return
            }
            var piece = bytes
            if piece.count > room {
                piece = UnsafeRawBufferPointer(rebasing: bytes[..<room])
                lines.isTruncated = true
            }
            if piece.count > Self.maximumLine {
                piece = UnsafeRawBufferPointer(rebasing: piece[..<Self.maximumLine])
                lines.isTruncated = true
            }
            if piece.last == 0x0D { piece = UnsafeRawBufferPointer(rebasing: piece.dropLast()) }
            // Decoding repairs what is not UTF-8 (U+FFFD).
            let line = Activation.LogLine(
                time: time, stream: toError ? .stderr : .stdout, text: String(decoding: piece, as: UTF8.self))
            lines.lines.append(line)
            // An empty line costs memory too.
            lines.bytes += piece.count + 1
            kept = line
        }
        if let kept { observe?(call, kept) }
    }

    private mutating func update(_ call: Int, _ body: (inout Lines) -> Void) {
        if let last = found.indices.last, found[last].call == call {
            body(&found[last].lines)
        } else if let index = found.firstIndex(where: { $0.call == call }) {
            body(&found[index].lines)
        } else {
            var lines = Lines()
            body(&lines)
            found.append((call, lines))
        }
    }
}
