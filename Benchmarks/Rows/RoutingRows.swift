import CloudEvents
import Delivery
import Glibc

/// One event against many subscriptions: paths, prefixes and attributes.
enum RoutingRows {
    static func run(_ report: Report) {
        report.section("Routing one event")
        let few = measure(subscriptions: 1_000)
        let many = measure(subscriptions: 1_000_000)
        report.add(Row(name: "against 1 000 subscriptions, p50", value: few.p50, unit: "µs"))
        report.add(
            Row(
                name: "against 1 000 000 subscriptions, p50", value: many.p50, unit: "µs", floor: few.p50,
                floorName: "against 1 000", budget: .atMost(3)))
        report.add(Row(name: "against 1 000 000 subscriptions, p99", value: many.p99, unit: "µs"))
        report.add(
            Row(
                name: "memory of a subscription", value: many.bytesEach, unit: "bytes", budget: .atMost(200)))
        report.add(
            Row(
                name: "changes while 1 000 000 are there", value: many.changes, unit: "changes/s",
                budget: .atLeast(200_000)))
    }

    /// What a site has: folders of experiments with their runs, some by type, some by pool or owner.
    private static func filters(_ number: Int) -> [Filter] {
        let folder = "/pnfs/example.org/exfel/raw/SPB/202601/p00\(4000 + number % 50_000)/raw/r\(number / 50_000)"
        let type = Filter.exact([.init(attribute: "type", value: "dev.weir.file.written")])
        switch number % 10 {
        case 0...5: return [type, .prefix([.init(attribute: "subject", value: "\(folder)/s\(number)/")])]
        case 6, 7: return [.exact([.init(attribute: "subject", value: "\(folder)/RAW-\(number).h5")])]
        case 8:
            return [
                type, .exact([.init(attribute: "owner", value: "user\(number)")]),
                .prefix([.init(attribute: "subject", value: "/pnfs/example.org/")]),
            ]
        default: return [.exact([.init(attribute: "pool", value: "pool-\(number)")])]
        }
    }

    private static func event(_ number: Int, of count: Int) -> EventRecord {
        let target = (number &* 7919) % count
        let folder = "/pnfs/example.org/exfel/raw/SPB/202601/p00\(4000 + target % 50_000)/raw/r\(target / 50_000)"
        return EventRecord(
            CloudEvent(
                id: "\(number)", source: "dcache://pool@bench", type: "dev.weir.file.written",
                subject: number % 2 == 0
                    ? "\(folder)/s\(target)/frames/image-\(number).cbf" : "\(folder)/RAW-\(target).h5",
                extensions: [
                    .init(name: "owner", value: .string("user\(target)")),
                    .init(name: "pool", value: .string("pool-\(target)")),
                    .init(name: "storagesystem", value: .string("dcache")),
                ]))
    }

    private static func measure(
        subscriptions count: Int
    ) -> (p50: Double, p99: Double, bytesEach: Double, changes: Double) {
        var index = SubscriptionIndex()
        var ids: [SubscriptionIndex.ID] = []
        ids.reserveCapacity(count)
        for number in 0..<count { ids.append(index.add(filters(number))) }
        let events = (0..<50_000).map { event($0, of: count) }
        var scratch = MatchScratch()
        var found: [SubscriptionIndex.ID] = []
        var samples: [Double] = []
        samples.reserveCapacity(events.count)
        for event in events {
            found.removeAll(keepingCapacity: true)
            let start = Measure.clock(CLOCK_MONOTONIC)
            event.withView { index.match($0, scratch: &scratch, into: &found) }
            samples.append((Measure.clock(CLOCK_MONOTONIC) - start) * 1e6)
        }
        samples.sort()
        let bytes = Double(index.byteCount) / Double(count)
        let changed = min(count, 100_000)
        let measure = Measure.of {
            for number in 0..<changed { index.remove(ids[number]) }
            for number in 0..<changed { ids[number] = index.add(filters(number)) }
        }
        return (
            Measure.percentile(samples, 0.5), Measure.percentile(samples, 0.99), bytes,
            Double(2 * changed) / measure.cpu
        )
    }
}
