import CloudEvents
import TestSupport
import Testing

@testable import Delivery

@Suite struct SubscriptionIndexTests {
    private func match(_ index: SubscriptionIndex, _ event: CloudEvent) -> [UInt32] {
        var scratch = MatchScratch()
        var ids: [UInt32] = []
        EventRecord(event).withView { index.match($0, scratch: &scratch, into: &ids) }
        return ids.sorted()
    }

    private func condition(_ name: String, _ value: String) -> [Filter.Condition] {
        [.init(attribute: name, value: value)]
    }

    @Test func findsByPrefixOfAnyLength() {
        var index = SubscriptionIndex()
        let folder = index.add([.prefix(condition("subject", "/exfel/raw/"))])
        let partial = index.add([.prefix(condition("subject", "/exfel/ra"))])
        let long = String(repeating: "x", count: 100)
        let longTail = index.add([.prefix(condition("subject", "/exfel/" + long))])
        let all = index.add([])
        #expect(
            match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/exfel/raw/r1/f"))
                == [folder, partial, all].sorted())
        #expect(
            match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/exfel/raw"))
                == [partial, all].sorted())
        #expect(
            match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/exfel/" + long + "y"))
                == [longTail, all].sorted())
        #expect(
            match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/exfel/" + long.dropLast()))
                == [all])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t")) == [all])
    }

    @Test func aSnapshotStaysAsItWasWhileTheIndexChanges() {
        var index = SubscriptionIndex()
        let first = index.add([.exact(condition("type", "t"))])
        let snapshot = index
        index.remove(first)
        let second = index.add([.exact(condition("type", "u"))])
        #expect(match(snapshot, CloudEvent(id: "1", source: "s", type: "t")) == [first])
        #expect(match(snapshot, CloudEvent(id: "1", source: "s", type: "u")) == [])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t")) == [])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "u")) == [second])
    }

    @Test func aRestrictedOwnerMatchesOnlyWhatHeMaySee() {
        var index = SubscriptionIndex()
        let id = index.add([], visibility: EventVisibility(prefixes: ["/a"]))
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/a/b")) == [id])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/ab")) == [])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t", subject: "/a/../b")) == [])
        #expect(match(index, CloudEvent(id: "1", source: "s", type: "t")) == [])
    }

    /// The index must say what the filters say, whatever the filters, also while subscriptions come and go.
    @Test func agreesWithTheFiltersThemselves() throws {
        var random = SeededGenerator()
        let seed = random.seed
        var index = SubscriptionIndex()
        var living: [UInt32: CompiledFilter] = [:]
        for round in 0..<60 {
            for _ in 0..<60 {
                let filters = RandomFilters.list(&random)
                let id = index.add(filters)
                #expect(living[id] == nil, "seed \(seed)")
                living[id] = CompiledFilter(filters)
            }
            for id in living.keys.sorted() where Int.random(in: 0..<100, using: &random) < (round % 3 == 2 ? 90 : 20) {
                index.remove(id)
                living[id] = nil
            }
            #expect(index.count == living.count)
            for _ in 0..<15 {
                let record = EventRecord(RandomFilters.event(&random))
                let expected = living.filter { $0.value.matches(record) }.keys.sorted()
                var scratch = MatchScratch()
                var ids: [UInt32] = []
                record.withView { index.match($0, scratch: &scratch, into: &ids) }
                #expect(ids.sorted() == expected, "seed \(seed), round \(round), event \(record.event)")
            }
        }
        for id in living.keys { index.remove(id) }
        #expect(index.count == 0)
        #expect(index.nodeTable.count == 0 && index.groupTable.count == 0)
    }
}

/// Filters and events over few words, so that they meet often.
enum RandomFilters {
    private static let segments = ["", "a", "b", "ab", "abc", "exfel", "raw"]
    private static let types = ["t1", "t2", "t12"]
    private static let names = ["owner", "pool", "protocol", "outcome", "storageclass", "bytes"]

    static func path(_ random: inout SeededGenerator) -> String {
        var text = "/"
        for _ in 0..<Int.random(in: 0..<4, using: &random) {
            text += segments.randomElement(using: &random)!
            if Bool.random(using: &random) { text += "/" }
        }
        return text
    }

    static func condition(_ random: inout SeededGenerator) -> Filter.Condition {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .init(attribute: "subject", value: path(&random))
        case 1: .init(attribute: "type", value: types.randomElement(using: &random)!)
        default:
            .init(
                attribute: names.randomElement(using: &random)!,
                value: ["x", "y", "xy", "AAEC"].randomElement(using: &random)!)
        }
    }

    static func one(_ random: inout SeededGenerator, depth: Int = 0) -> Filter {
        func some() -> [Filter.Condition] {
            (0..<Int.random(in: 1..<3, using: &random)).map { _ in condition(&random) }
        }
        switch Int.random(in: 0..<(depth < 2 ? 9 : 5), using: &random) {
        case 0, 1: return .exact(some())
        case 2, 3: return .prefix(some())
        case 4: return .suffix(some())
        case 5: return .all((0..<2).map { _ in one(&random, depth: depth + 1) })
        case 6: return .any((0..<2).map { _ in one(&random, depth: depth + 1) })
        case 7: return .not(one(&random, depth: depth + 1))
        default:
            let text = "EXISTS owner AND owner = 'x' OR subject LIKE '/a%'"
            return (try? CESQLExpression(parsing: text)).map { .sql($0) } ?? .exact(some())
        }
    }

    static func list(_ random: inout SeededGenerator) -> [Filter] {
        (0..<Int.random(in: 0..<4, using: &random)).map { _ in one(&random) }
    }

    static func event(_ random: inout SeededGenerator) -> CloudEvent {
        var event = CloudEvent(id: "1", source: "s", type: types.randomElement(using: &random)!)
        if Int.random(in: 0..<10, using: &random) > 0 { event.subject = path(&random) }
        for name in names where Bool.random(using: &random) {
            event[name] =
                name == "bytes" ? .binary([0, 1, 2]) : .string(["x", "y", "xy"].randomElement(using: &random)!)
        }
        return event
    }
}
