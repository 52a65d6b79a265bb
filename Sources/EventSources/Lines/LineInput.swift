import CLinux
import Glibc

/// Where bytes come from, one piece after the other.
package protocol LineInput: Sendable {
    /// The next bytes, at least one and at most `count`; `nil` at the end, or when the task is cancelled.
    nonisolated(nonsending) func read(_ count: Int) async throws -> [UInt8]?
}

/// A descriptor that is read when it has something. A call blocks for at most a quarter of a second, so that a source
/// can be stopped though nothing comes; it is made on a source's own queue.
package struct DescriptorInput: LineInput {
    private let descriptor: Int32

    package init(descriptor: Int32) { self.descriptor = descriptor }

    package nonisolated(nonsending) func read(_ count: Int) async throws -> [UInt8]? {
        while !Task.isCancelled {
            let ready = weir_poll2(descriptor, descriptor, 250)
            if ready < 0 { throw SourceError(.ioFailure, "poll(2) on the input: \(String(cString: strerror(errno))).") }
            guard ready > 0 else { continue }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
                let got = Glibc.read(descriptor, buffer.baseAddress, count)
                failure = got < 0 ? errno : 0
                used = max(0, got)
            }
            if failure == EINTR || failure == EAGAIN { continue }
            if failure != 0 {
                throw SourceError(.ioFailure, "read(2) on the input: \(String(cString: strerror(failure))).")
            }
            return bytes.isEmpty ? nil : bytes
        }
        return nil
    }
}
