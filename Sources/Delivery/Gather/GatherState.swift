import CloudEvents

/// One life of a subscription that gathers.
struct GatherEpoch: Sendable, Hashable {
    var number: UInt64
    /// Where the channel's partitions ended when it began: what came of its groups lies behind.
    var ends: [UInt64]

    /// Where it is kept.
    static func key(_ key: SubscriptionKey) -> String { Gatherer.prefix(key) + "epoch" }

    var text: String { String(number, radix: 16) }
    var encoded: [UInt8] { Array(([text] + ends.map { String($0) }).joined(separator: " ").utf8) }

    init(number: UInt64, ends: [UInt64]) { (self.number, self.ends) = (number, ends) }

    init?(_ bytes: [UInt8]) {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        let ends = parts.dropFirst().compactMap { UInt64($0) }
        guard let first = parts.first, let number = UInt64(first, radix: 16), ends.count == parts.count - 1 else {
            return nil
        }
        self.init(number: number, ends: ends)
    }
}

/// How members and groups are written.
enum Stored {
    static func encoded(_ key: GatherMachine.Key, _ member: GatherMachine.Member) -> [UInt8] {
        var object: JSONObject = [
            "key": .string(key.text), "parts": .object(key.parts), "p": .integer(Int64(member.place.partition)),
            "o": .string(String(member.place.offset)), "at": .integer(member.appended), "facts": .object(member.facts),
        ]
        if member.isMarker { object["marker"] = true }
        if let announced = member.announced { object["n"] = .integer(Int64(announced)) }
        if member.depth > 0 { object["depth"] = .integer(Int64(member.depth)) }
        return JSONValue.object(object).encoded()
    }

    static func member(_ bytes: [UInt8]) -> (GatherMachine.Key, GatherMachine.Member)? {
        guard let value = try? JSONValue(parsing: bytes), let key = key(value), let place = place(value),
            let at = value["at"]?.integer, let facts = value["facts"]?.object
        else { return nil }
        return (
            key,
            GatherMachine.Member(
                place: place, appended: at, isMarker: value["marker"]?.bool ?? false, facts: facts,
                announced: value["n"]?.integer.map { Int($0) }, depth: Int(value["depth"]?.integer ?? 0))
        )
    }

    static func encoded(
        _ group: GatherMachine.Group, event: EventRecord? = nil, marks: [UInt64]? = nil
    ) -> [UInt8] {
        var object: JSONObject = [
            "key": .string(group.key.text), "parts": .object(group.key.parts),
            "generation": .integer(Int64(group.generation)), "first": .integer(group.first),
            "last": .integer(group.last),
            "places": .array(
                group.places.sorted().map { ["p": .integer(Int64($0.partition)), "o": .string(String($0.offset))] }),
        ]
        if let event { object["event"] = .string(Base64.encode(event.bytes)) }
        if let marks { object["marks"] = .array(marks.map { .string(String($0)) }) }
        if case .fired(let time) = group.state { object["fired"] = .integer(time) }
        return JSONValue.object(object).encoded()
    }

    static func group(_ bytes: [UInt8]) -> (GatherMachine.Group, EventRecord?, marks: [UInt64]?)? {
        guard let value = try? JSONValue(parsing: bytes), let key = key(value),
            let generation = value["generation"]?.integer, let places = value["places"]?.array
        else { return nil }
        var group = GatherMachine.Group(key: key)
        group.generation = Int(generation)
        group.first = value["first"]?.integer ?? 0
        group.last = value["last"]?.integer ?? 0
        group.places = Set(places.compactMap(place))
        if let time = value["fired"]?.integer {
            group.state = .fired(at: time)
            return (group, nil, nil)
        }
        guard let text = value["event"]?.string, let record = Base64.decode(text.utf8),
            let event = EventRecord(validating: record)
        else { return nil }
        group.state = .firing
        return (group, event, value["marks"]?.array?.compactMap { $0.string.flatMap { UInt64($0) } })
    }

    private static func key(_ value: JSONValue) -> GatherMachine.Key? {
        guard let text = value["key"]?.string, let parts = value["parts"]?.object else { return nil }
        return .init(text: text, parts: parts)
    }

    private static func place(_ value: JSONValue) -> GatherMachine.Place? {
        guard let partition = value["p"]?.integer, let offset = value["o"]?.string.flatMap({ UInt64($0) }) else {
            return nil
        }
        return .init(partition: Int(partition), offset: offset)
    }
}
