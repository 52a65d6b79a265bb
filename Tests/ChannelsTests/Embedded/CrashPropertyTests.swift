import Channels
import CloudEvents
import Synchronization
import TestSupport
import Testing

/// Random appends, power cuts at any moment, recoveries and reads, against a model of what must and may be there.
@Suite struct CrashPropertyTests {
    /// What one partition must hold.
    private struct Model {
        /// Acknowledged or once seen after a recovery: must stay.
        var records: [UInt64: String] = [:]
        /// Offsets that a recovery reported lost; none of them was acknowledged.
        var lost: Set<UInt64> = []
    }

    @Test(arguments: 0..<60)
    func `nothing acknowledged is lost, nothing is invented, whatever the moment of a power cut`(
        _ round: UInt64
    ) async throws {
        var random = SeededGenerator(seed: SeededGenerator().seed &+ round)
        let seed = random.seed
        let disk = SimulatedDisk()
        let clock = TestClock()
        var models = [Model](repeating: Model(), count: 2)
        var attempted: Set<String> = []
        var acknowledged: Set<String> = []
        var last = 0
        for life in 0..<8 {
            let store = try disk.store(clock, openFiles: Int.random(in: 2...9, using: &random))
            let channel = try await store.open("c", small(partitions: 2, segment: 2_048, window: 4_000))
            try await check(channel, &models, attempted, "seed \(seed), life \(life)")
            // Ids that are durable are known to be so.
            if let id = acknowledged.randomElement(using: &random) {
                #expect(try await channel.append([event(id)]) == [.duplicate], "seed \(seed), life \(life): \(id)")
            }
            let cutAt = Int.random(in: 1...120, using: &random)
            disk.state.withLock { $0.cutAt = $0.changes + cutAt }
            while true {
                clock.advance(Int64.random(in: -5...20, using: &random))
                let count = Int.random(in: 1...6, using: &random)
                let batch = (0..<count).map { step in
                    event(
                        "n\(last + step)", subject: "/\((last + step) % 7)/f",
                        size: Int.random(in: 0...400, using: &random))
                }
                let ids = (0..<count).map { "n\(last + $0)" }
                last += count
                attempted.formUnion(ids)
                do throws(ChannelError) {
                    for (id, outcome) in zip(ids, try await channel.append(batch)) {
                        guard case .appended(let partition, let offset) = outcome else {
                            Issue.record("seed \(seed): \(id) is new and was called a duplicate")
                            continue
                        }
                        #expect(models[partition].records[offset] == nil, "seed \(seed): offset \(offset) twice")
                        models[partition].records[offset] = id
                        acknowledged.insert(id)
                    }
                } catch {
                    break
                }
            }
            disk.cutPower(&random)
        }
        let channel = try await disk.store(clock).open("c", small(partitions: 2, segment: 2_048, window: 4_000))
        try await check(channel, &models, attempted, "seed \(seed), end")
    }

    private func check(
        _ channel: EmbeddedChannel, _ models: inout [Model], _ attempted: Set<String>, _ comment: String
    ) async throws {
        for partition in models.indices {
            let reading = try await channel.readAll(partition, limit: ReadLimit(records: 9, bytes: 3_000))
            var found: [UInt64: String] = [:]
            var previous: UInt64?
            for (offset, id) in reading.records {
                #expect(previous.map { $0 < offset } ?? true, "\(comment): order")
                previous = offset
                found[offset] = id
                #expect(attempted.contains(id), "\(comment): \(id) was never appended")
            }
            for (offset, id) in models[partition].records {
                #expect(found[offset] == id, "\(comment): partition \(partition) offset \(offset) must be \(id)")
            }
            for gap in reading.gaps {
                for offset in gap.offsets {
                    #expect(models[partition].records[offset] == nil, "\(comment): \(offset) was acknowledged")
                    models[partition].lost.insert(offset)
                }
            }
            #expect(Set(found.values).count == found.count, "\(comment): an id is stored twice")
            models[partition].records = found
            let next = channel.bounds(ofPartition: partition).next
            #expect(UInt64(found.count + models[partition].lost.count) >= next, "\(comment): offsets without a word")
        }
    }
}
