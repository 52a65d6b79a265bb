#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The control socket, descriptor 3: frames of `u32` length (little-endian) and as many bytes.
final class Control {
    private static var descriptor: Int32 { 3 }
    private var chunk = [UInt8](repeating: 0, count: 1 << 18)
    private var start = 0
    private var end = 0

    init() {
        // What the function starts must not hold the socket.
        _ = fcntl(Self.descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// The next frame. The process ends with the socket.
    func read() -> [UInt8] {
        while end - start < 4 { fill() }
        let length = (0..<4).reduce(0) { $0 | Int(chunk[start + $1]) << (8 * $1) }
        start += 4
        let ready = min(length, end - start)
        var frame = Array(chunk[start..<(start + ready)])
        start += ready
        if ready < length {
            frame.reserveCapacity(length)
            while frame.count < length {
                fill()
                let more = min(length - frame.count, end - start)
                frame.append(contentsOf: chunk[start..<(start + more)])
                start += more
            }
        }
        return frame
    }

    private func fill() {
        if start > 0 {
            let rest = end - start
            chunk.withUnsafeMutableBytes { bytes in
                if rest > 0, let base = bytes.baseAddress { memmove(base, base + start, rest) }
            }
            (start, end) = (0, rest)
        }
        let room = chunk.count - end
        let count = chunk.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { Glibc.read(Self.descriptor, $0 + end, room) } ?? 0
        }
        if count < 0, errno == EINTR { return }
        guard count > 0 else { _exit(0) }
        end += count
    }

    func send(_ line: [UInt8]) {
        var frame: [UInt8] = []
        frame.reserveCapacity(line.count + 4)
        for shift in 0..<4 { frame.append(UInt8(truncatingIfNeeded: line.count >> (8 * shift))) }
        frame.append(contentsOf: line)
        frame.withUnsafeBytes { write($0) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = Glibc.write(Self.descriptor, base + done, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { _exit(0) }
            done += count
        }
    }
}
