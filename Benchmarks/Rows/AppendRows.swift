import Channels
import CloudEvents
import Glibc
import Logging

/// Durable append: what is answered is on disk.
enum AppendRows {
    static func run(_ report: Report, directory: String) async throws {
        report.section("Durable append of 1 kB events (one partition, each batch on disk before the answer)")
        let store = try EmbeddedLogStore(directory: directory + "/append", log: Logger(label: "bench"))
        for (batch, batches) in [(1, 2_000), (64, 800), (1024, 120)] {
            let channel = try await store.open("batch-\(batch)")
            let events = SampleEvents.events(batch * batches, salt: "\(batch)-")
            // Floor and value in turns, so that a disk that changes its mood changes it for both.
            var raw: [Double] = []
            var own: [Double] = []
            let rounds = 8
            for round in 0..<rounds {
                raw += RawAppend.run(
                    directory: directory, batchBytes: batch * SampleEvents.size, batches: batches / rounds)
                for index in (round * batches / rounds)..<((round + 1) * batches / rounds) {
                    let part = Array(events[(index * batch)..<((index + 1) * batch)])
                    let start = Measure.clock(CLOCK_MONOTONIC)
                    _ = try await channel.append(part)
                    own.append(Measure.clock(CLOCK_MONOTONIC) - start)
                }
            }
            func rate(_ seconds: [Double]) -> Double { Double(batch * seconds.count) / seconds.reduce(0, +) }
            report.add(
                Row(
                    name: "append, \(batch) a batch", value: rate(own), unit: "events/s", floor: rate(raw),
                    floorName: "raw pwrite + fdatasync", budget: .ratioAtLeast(0.7)))
            if batch == 1 {
                report.add(
                    Row(
                        name: "acknowledgement of one event, p50", value: Measure.median(own) * 1e6, unit: "µs",
                        floor: Measure.median(raw) * 1e6, floorName: "one raw pwrite + fdatasync",
                        budget: .ratioAtMost(1.5)))
            }
        }
        try await concurrent(report, store)
        await store.close()
    }

    /// Many producers at once: group commit.
    private static func concurrent(_ report: Report, _ store: EmbeddedLogStore) async throws {
        let channel = try await store.open("group")
        let producers = 64
        let each = 200
        let sets = (0..<producers).map { SampleEvents.events(each, salt: "g\($0)-") }
        let measure = try await Measure.of {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for set in sets {
                    group.addTask { for event in set { _ = try await channel.append([event]) } }
                }
                try await group.waitForAll()
            }
        }
        report.add(
            Row(
                name: "append, 64 producers with one event each", value: Double(producers * each) / measure.wall,
                unit: "events/s"))
    }
}
