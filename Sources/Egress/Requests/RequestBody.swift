/// Follows the body of a request that is passed on, to see where it ends: what a client sends behind it would be a second
/// request, to a server that was checked for the first.
package struct RequestBody: Sendable, Hashable {
    package enum Framing: Sendable, Hashable {
        case length(Int64)
        case chunked
    }

    /// Where in the chunked coding it is (RFC 9112 §7.1).
    private enum State: Sendable, Hashable {
        case size(value: Int64, digits: Int), sizeExtension(Int64), sizeEnd(Int64)
        case data(Int64), dataReturn, dataEnd
        case trailerStart, trailer, trailerEnd, lastEnd
        case fixed(Int64)
        case done
    }

    private var state: State
    /// Bytes of extensions and trailers: what is no content has a limit.
    private var extra = 0

    package init(_ framing: Framing) {
        switch framing {
        case .length(let length): state = length == 0 ? .done : .fixed(length)
        case .chunked: state = .size(value: 0, digits: 0)
        }
    }

    package var isDone: Bool { state == .done }

    /// How many of these bytes belong to the body; `nil` when they are not what the coding allows.
    package mutating func take(_ bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex
        while index < bytes.endIndex, state != .done {
            switch state {
            case .fixed(let left): skip(left, &index, bytes.endIndex) { $0 == 0 ? .done : .fixed($0) }
            case .data(let left): skip(left, &index, bytes.endIndex) { $0 == 0 ? .dataReturn : .data($0) }
            default:
                guard let next = step(bytes[index]) else { return nil }
                state = next
                index += 1
            }
        }
        return index - bytes.startIndex
    }

    private mutating func skip(_ left: Int64, _ index: inout Int, _ end: Int, _ next: (Int64) -> State) {
        let count = Int(min(left, Int64(end - index)))
        index += count
        state = next(left - Int64(count))
    }

    /// One byte of the coding itself.
    private mutating func step(_ byte: UInt8) -> State? {
        switch state {
        case .size(let value, let digits):
            if let digit = Self.hexadecimal(byte) {
                guard digits < 15 else { return nil }
                return .size(value: value << 4 | Int64(digit), digits: digits + 1)
            }
            guard digits > 0 else { return nil }
            if byte == 0x0D { return .sizeEnd(value) }
            return byte == 0x3B || byte == 0x20 || byte == 0x09 ? .sizeExtension(value) : nil
        case .sizeExtension(let value):
            if byte == 0x0D { return .sizeEnd(value) }
            return count(byte) ? .sizeExtension(value) : nil
        case .sizeEnd(let value):
            guard byte == 0x0A else { return nil }
            return value == 0 ? .trailerStart : .data(value)
        case .dataReturn: return byte == 0x0D ? .dataEnd : nil
        case .dataEnd: return byte == 0x0A ? .size(value: 0, digits: 0) : nil
        case .trailerStart:
            if byte == 0x0D { return .lastEnd }
            return count(byte) ? .trailer : nil
        case .trailer:
            if byte == 0x0D { return .trailerEnd }
            return count(byte) ? .trailer : nil
        case .trailerEnd: return byte == 0x0A ? .trailerStart : nil
        case .lastEnd: return byte == 0x0A ? .done : nil
        case .data, .fixed, .done: return nil
        }
    }

    private mutating func count(_ byte: UInt8) -> Bool {
        extra += 1
        return extra <= 4096 && (byte >= 0x20 && byte != 0x7F || byte == 0x09)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
