/// Takes the stream of an attached container apart: frames of eight bytes' head (which stream, how long) and content
/// (Docker Engine API, "Attach to a container", Stream format).
struct DockerStream {
    private var head: [UInt8] = []
    private var left = 0
    private var toError = false

    /// Hands over what the container wrote; the bytes are valid during the call only.
    mutating func read(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer, _ toError: Bool) -> Void) {
        var position = 0
        while position < bytes.count {
            if left == 0 {
                let wanted = min(8 - head.count, bytes.count - position)
                head.append(contentsOf: bytes[position..<(position + wanted)])
                position += wanted
                guard head.count == 8 else { return }
                toError = head[0] == 2
                left = head[4...].reduce(0) { $0 << 8 | Int($1) }
                head.removeAll(keepingCapacity: true)
                continue
            }
            let count = min(left, bytes.count - position)
            body(UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)]), toError)
            position += count
            left -= count
        }
    }
}
