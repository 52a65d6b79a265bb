internal import Glibc

/// Takes the lines out of a container's log by which runtime images of OpenWhisk say that a run has written all it has:
/// the mark alone on a line, or at the end of one that the function left unfinished.
///
/// A function can write the mark itself; it then cuts its own log short, and nobody else's.
struct SentinelFilter {
    static let mark = Array("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX".utf8)

    /// How many marks have come.
    private(set) var count = 0
    /// So many bytes of the mark are the last that came: they are held back until it is clear what they are.
    private var matched = 0
    /// A carriage return behind the whole mark is held back too.
    private var hasReturn = false
    private var isAtLineStart = true

    /// Passes on what is no mark. The bytes are valid during the call only.
    mutating func filter(_ bytes: UnsafeRawBufferPointer, pass: (UnsafeRawBufferPointer) -> Void) {
        guard let start = bytes.baseAddress else { return }
        // What of `bytes` has not been passed on and is not held back.
        var from = 0
        var position = 0
        while position < bytes.count {
            if matched == 0 {
                // Nothing but the mark's first letter is of interest.
                guard let found = memchr(start + position, Int32(Self.mark[0]), bytes.count - position) else { break }
                position = UnsafeRawPointer(found) - start
                send(bytes[from..<position], pass)
                from = position
            }
            let byte = bytes[position]
            if matched == Self.mark.count {
                if byte == 0x0A {
                    // The mark is whole, and so is its line: both go; text before it keeps its end of line.
                    count += 1
                    if !isAtLineStart { send(bytes[position...position], pass) }
                    isAtLineStart = true
                } else if byte == 0x0D, !hasReturn {
                    hasReturn = true
                    position += 1
                    from = position
                    continue
                } else {
                    release(pass)
                    from = position
                    matched = 0
                    hasReturn = false
                    continue
                }
                matched = 0
                hasReturn = false
                position += 1
                from = position
            } else if byte == Self.mark[matched] {
                matched += 1
                position += 1
                from = position
            } else {
                // Only the first three letters of the mark are like its beginning: after a mismatch as many of them as
                // fit are kept.
                fall(pass)
                from = position
            }
        }
        send(bytes[from..<bytes.count], pass)
    }

    /// Passes on what is held back: nothing more will come.
    mutating func finish(pass: (UnsafeRawBufferPointer) -> Void) {
        if matched == Self.mark.count {
            count += 1
        } else {
            release(pass)
        }
        matched = 0
        hasReturn = false
    }

    /// The longest shorter beginning of the mark with which the matched bytes end; the bytes before it are passed on.
    private mutating func fall(_ pass: (UnsafeRawBufferPointer) -> Void) {
        var shorter = matched - 1
        while shorter > 0, !Self.mark[..<matched].suffix(shorter).elementsEqual(Self.mark[..<shorter]) { shorter -= 1 }
        let gone = matched - shorter
        Self.mark.withUnsafeBytes { send(Slice(base: $0, bounds: 0..<gone), pass) }
        matched = shorter
    }

    private mutating func release(_ pass: (UnsafeRawBufferPointer) -> Void) {
        let held = matched
        Self.mark.withUnsafeBytes { send(Slice(base: $0, bounds: 0..<held), pass) }
        if hasReturn { withUnsafeBytes(of: UInt8(0x0D)) { send(Slice(base: $0, bounds: 0..<1), pass) } }
    }

    private mutating func send(_ bytes: Slice<UnsafeRawBufferPointer>, _ pass: (UnsafeRawBufferPointer) -> Void) {
        guard let last = bytes.last else { return }
        isAtLineStart = last == 0x0A
        pass(UnsafeRawBufferPointer(rebasing: bytes))
    }
}
