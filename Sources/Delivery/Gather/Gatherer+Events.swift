import CloudEvents

/// What is read from a member, and what is said of a group.
extension Gatherer {
    func member(_ parcel: Parcel) -> (GatherMachine.Key, GatherMachine.Member)? {
        parcel.event.withView { view in
            // What it has made itself comes by the same channel.
            if view.string("type") == Self.type, view.string("source") == Self.source(key) { return nil }
            guard let groupKey = self.groupKey(view) else { return nil }
            var facts = JSONObject()
            for (name, value) in [
                ("id", view.string("id")), ("source", view.string("source")), ("type", view.string("type")),
                ("subject", view.string("subject")), ("time", view.string("time")),
                ("filesize", view.string("filesize")),
            ] {
                if let value { facts[name] = .string(value) }
            }
            var announced: Int?
            if case .pointer(let pointer)? = spec.count, let data = try? JSONValue(parsing: view.data) {
                announced = pointer.value(in: data)?.integer.flatMap { (0...1_000_000).contains($0) ? Int($0) : nil }
            }
            let member = GatherMachine.Member(
                place: .init(partition: parcel.partition, offset: parcel.offset), appended: parcel.appended,
                isMarker: marker?.matches(view) ?? false, facts: facts, announced: announced,
                depth: Lineage.depth(of: view))
            return (groupKey, member)
        }
    }

    private func groupKey(_ view: EventView) -> GatherMachine.Key? {
        switch spec.by {
        case .directory:
            guard let subject = view.string("subject"), let slash = subject.lastIndex(of: "/") else { return nil }
            let folder = slash == subject.startIndex ? "/" : String(subject[..<slash])
            return .init(text: folder, parts: ["directory": .string(folder)])
        case .attribute(let name):
            var name = name
            let value = name.withUTF8 {
                view.attribute(UnsafeRawBufferPointer($0)).map { String(decoding: $0, as: UTF8.self) }
            }
            guard let value, !value.isEmpty else { return nil }
            return .init(text: value, parts: [name: .string(value)])
        case .path(let pattern):
            guard let subject = view.string("subject"), let found = pattern.match(subject) else { return nil }
            let parts = JSONObject(members: found.map { .init(name: $0.name, value: .string($0.value)) })
            return .init(text: found.map(\.value).joined(separator: "/"), parts: parts)
        }
    }

    func event(_ group: GatherMachine.Group, _ reason: GatherMachine.Reason) -> EventRecord {
        // As they came; the partitions of a channel have no order between them but this.
        let members = group.members.values.sorted { $0.comes(before: $1) }
        let bytes = members.reduce(Int64(0)) { sum, member in
            let size = member.facts["filesize"]?.string.flatMap { Int64($0) } ?? 0
            return sum.addingReportingOverflow(size).overflow ? sum : sum + size
        }
        var data: JSONObject = [
            "group": .object(group.key.parts), "reason": .string(reason.rawValue),
            // A deadline and a limit end a group that may lack something.
            "complete": .bool(reason != .deadline && reason != .limit), "generation": .integer(Int64(group.generation)),
            "count": .integer(Int64(members.count)), "bytes": .integer(bytes),
            "first": .string(EventTime(nanoseconds: group.first * 1_000_000).text),
            "last": .string(EventTime(nanoseconds: group.last * 1_000_000).text),
        ]
        if let marker = group.marker { data["marker"] = .object(marker.facts) }
        data["members"] = .array(members.map { .object($0.facts) })
        let text = group.key.text
        var event = CloudEvent(
            id: Lineage.id("gather", key.description, epoch.text, text, String(group.generation)),
            source: Self.source(key), type: Self.type, subject: Self.commonFolder(members) ?? PrintableText.of(text),
            time: EventTime(nanoseconds: group.last * 1_000_000),
            data: .json(JSONValue.object(data).encoded()))
        event["partitionkey"] = .string(PrintableText.of(text))
        event["outcome"] = .string(reason == .deadline || reason == .limit ? "error" : "ok")
        // It counts as caused by its last member, for the guard against loops.
        let all = members + (group.marker.map { [$0] } ?? [])
        event["weirdepth"] = .integer(Int32(clamping: (all.map(\.depth).max() ?? 0) + 1))
        if let id = all.max(by: { $0.comes(before: $1) })?.facts["id"]?.string { event["weircause"] = .string(id) }
        return EventRecord(event)
    }

    /// The same with less said of the members: their subjects, then nothing; `nil` when nothing is left to leave out.
    static func reduced(_ event: EventRecord) -> EventRecord? {
        var made = event.event
        guard case .json(let bytes)? = made.data, var data = (try? JSONValue(parsing: bytes))?.object,
            let members = data["members"]?.array
        else { return nil }
        if members.contains(where: { ($0.object?.count ?? 0) > 1 }) {
            data["members"] = .array(
                members.map { ["subject": $0["subject"] ?? $0["id"] ?? .null] })
        } else {
            data["members"] = nil
            data["membersLeftOut"] = true
        }
        made.data = .json(JSONValue.object(data).encoded())
        return EventRecord(made)
    }

    /// The folder that all members lie in: what may be seen of them decides what may be seen of the group.
    private static func commonFolder(_ members: [GatherMachine.Member]) -> String? {
        var common: [Substring]?
        for member in members {
            guard let subject = member.facts["subject"]?.string, subject.hasPrefix("/") else { return nil }
            let parts = subject.split(separator: "/", omittingEmptySubsequences: false).dropFirst().dropLast()
            guard let known = common else {
                common = Array(parts)
                continue
            }
            common = zip(known, parts).prefix { $0 == $1 }.map(\.0)
        }
        return common.map { "/" + $0.joined(separator: "/") }
    }
}

/// Text without what attributes must not hold.
enum PrintableText {
    static func of(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
        return clean.isEmpty ? "-" : clean
    }
}
