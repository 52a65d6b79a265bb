import Glibc

/// The floor of a durable append: the same bytes in the same batches by `pwrite` and `fdatasync`, nothing else.
enum RawAppend {
    /// Writes `batches` batches of `batchBytes` each; seconds a batch, sorted.
    static func run(directory: String, batchBytes: Int, batches: Int) -> [Double] {
        let path = directory + "/raw-append"
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        defer {
            close(file)
            unlink(path)
        }
        let bytes = [UInt8](repeating: 0x61, count: batchBytes)
        var seconds: [Double] = []
        seconds.reserveCapacity(batches)
        for batch in 0..<batches {
            let start = Measure.clock(CLOCK_MONOTONIC)
            bytes.withUnsafeBytes { _ = pwrite(file, $0.baseAddress, $0.count, off_t(batch * batchBytes)) }
            fdatasync(file)
            seconds.append(Measure.clock(CLOCK_MONOTONIC) - start)
        }
        return seconds
    }
}
