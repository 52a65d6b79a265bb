import Channels
import CloudEvents
import Synchronization
import Testing

@testable import Delivery

private final class CollectingSink: Sink {
    let offsets = Mutex<[UInt64]>([])
    let failsFirst: Bool
    init(failsFirst: Bool = false) { self.failsFirst = failsFirst }

    func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        parcels.map { parcel in
            if failsFirst, parcel.attempt == 1 { return SinkAnswer(.retry("not yet")) }
            offsets.withLock { $0.append(parcel.offset) }
            return SinkAnswer(.delivered)
        }
    }
}

@Suite struct ReplayTests {
    private func channel(_ count: Int) async throws -> MemoryChannel {
        let channel = MemoryChannel("storage")
        _ = try await channel.append(
            (0..<count).map {
                EventRecord(
                    CloudEvent(id: "\($0)", source: "s", type: "t", subject: $0 % 2 == 0 ? "/a/\($0)" : "/ab/\($0)"))
            })
        return channel
    }

    @Test func aDryRunCountsSamplesAndEstimatesWithoutDelivering() async throws {
        let replay = Replay(
            channel: try await channel(10_000), filters: [.prefix([.init(attribute: "subject", value: "/a/")])],
            visibility: .all, from: .offset(100), to: .offset(9_001))
        let estimate = try await replay.dryRun(samples: 3, meanRun: 1_000)
        #expect(estimate.scanned == 8_901)
        #expect(estimate.matches == 4_451)
        #expect(estimate.samples.map(\.event.id) == ["100", "102", "104"])
        #expect(estimate.nanoseconds == 4_451_000)
    }

    @Test func itDeliversTheRangeOfTimesAndRetries() async throws {
        let sink = CollectingSink(failsFirst: true)
        let replay = Replay(
            channel: try await channel(300), filters: [], visibility: .all, from: .time(10), to: .time(250))
        let clock = DeliveryClock(now: { 0 }, sleep: { _ in })
        let report = try await replay.run(into: sink, batchSize: 7, concurrency: 3, clock: clock, keep: { _ in })
        #expect(sink.offsets.withLock { $0.sorted() } == Array(10..<250))
        #expect(report.delivered == 240)
        #expect(report.failed == 0)
    }

    @Test func itShowsOnlyWhatMayBeSeen() async throws {
        let replay = Replay(
            channel: try await channel(100), filters: [], visibility: EventVisibility(prefixes: ["/a/"]))
        #expect(try await replay.dryRun().matches == 50)
    }
}
