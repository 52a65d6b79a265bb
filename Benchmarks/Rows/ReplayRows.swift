import Channels
import CloudEvents
import Foundation
import Logging

/// Reading the past through a path filter.
enum ReplayRows {
    static func run(_ report: Report, directory: String) async throws {
        report.section("Replay with a path filter")
        let store = try EmbeddedLogStore(directory: directory + "/replay", log: Logger(label: "bench"))
        let channel = try await store.open("past", ChannelSpec(duplicateWindow: 0))
        let count = 500_000
        for start in stride(from: 0, to: count, by: 10_000) {
            _ = try await channel.append((start..<(start + 10_000)).map { SampleEvents.event($0) })
        }
        let filter = CompiledFilter([
            .exact([.init(attribute: "type", value: "dev.weir.file.written")]),
            .prefix([.init(attribute: "subject", value: "/pnfs/example.org/exfel/raw/SPB/202601/p004042/")]),
        ])
        var best: (cpu: Double, wall: Double) = (.infinity, .infinity)
        var matched = 0
        for _ in 0..<3 {
            matched = 0
            let measure = try await Measure.of {
                var offset: UInt64 = 0
                while offset < UInt64(count) {
                    let batch = try await channel.read(
                        partition: 0, from: offset, limit: ReadLimit(records: 8192, bytes: 4 << 20))
                    batch.forEachView { _, view in if filter.matches(view) { matched += 1 } }
                    offset = batch.nextOffset
                }
            }
            if measure.cpu < best.cpu { best = (measure.cpu, measure.wall) }
        }
        guard matched == count / 100 else { throw BenchError("replay found \(matched) events, not \(count / 100)") }
        let files = FileManager.default.enumerator(atPath: directory + "/replay")?.compactMap { $0 as? String } ?? []
        let segments = files.filter { $0.hasSuffix(".log") || $0.hasSuffix(".seg") }.map { directory + "/replay/" + $0 }
        let cat = (0..<3).map { _ in Program.run(["cat"] + segments).cpu }.min() ?? 0
        report.add(
            Row(
                name: "replay, type and path prefix", value: Double(count) / best.cpu, unit: "events/s core",
                floor: cat > 0 ? Double(count) / cat : nil, floorName: "cat of the segments", budget: .atLeast(1e6)))
        await store.close()
    }
}

/// Why a bench cannot trust its own figure.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
