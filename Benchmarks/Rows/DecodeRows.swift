import Foundation
import Glibc
import StorageEvents

/// dCache billing text to events.
enum DecodeRows {
    static func run(_ report: Report, directory: String) throws {
        report.section("dCache billing text, default formats")
        var generator = BillingGenerator(seed: 42, start: 1_779_278_587)
        var text = Data(BillingGenerator.headerLines.joined(separator: "\n").utf8 + [0x0A])
        var lines = BillingGenerator.headerLines.count
        while lines < 400_000 {
            for line in generator.next() {
                text.append(contentsOf: line.utf8)
                text.append(0x0A)
                lines += 1
            }
        }
        let path = directory + "/" + generator.fileName
        try text.write(to: URL(fileURLWithPath: path))
        let bytes = [UInt8](text)
        var best = Double.infinity
        var records = 0
        for _ in 0..<3 {
            records = 0
            var decoder = BillingTextDecoder(fileName: generator.fileName, zone: .utc)
            var batch = DecodedBatch()
            let measure = Measure.of {
                bytes.withUnsafeBytes { buffer in
                    var start = 0
                    var number = 1
                    while start < buffer.count,
                        let end = memchr(buffer.baseAddress! + start, 0x0A, buffer.count - start)
                    {
                        let length = UnsafeRawPointer(end) - (buffer.baseAddress! + start)
                        decoder.decode(
                            line: UnsafeRawBufferPointer(rebasing: buffer[start..<(start + length)]),
                            lineNumber: number,
                            into: &batch)
                        start += length + 1
                        number += 1
                        if batch.records.count >= 1024 {
                            records += batch.records.count
                            batch.removeAll()
                        }
                    }
                    records += batch.records.count
                }
            }
            best = min(best, measure.cpu)
        }
        guard records == generator.recordCount else {
            throw BenchError("decoded \(records) records of \(generator.recordCount)")
        }
        let count = (0..<3).map { _ in Program.run(["wc", "-l", path]).cpu }.min() ?? 0
        report.add(
            Row(
                name: "decode to events", value: Double(lines) / best, unit: "lines/s core",
                floor: count > 0 ? Double(lines) / count : nil, floorName: "wc -l", budget: .atLeast(1e6)))
    }
}
