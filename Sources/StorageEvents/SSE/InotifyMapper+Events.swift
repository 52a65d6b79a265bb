import CloudEvents

/// The events of the stream. The stream tells no time, so the events have none: the source adds when it saw them.
extension InotifyMapper {
    struct Made {
        var path: String
        var subscription: String
        var id: String?
        var native: JSONValue
        var line: Int
    }

    func emit(_ type: String, _ made: Made, into batch: inout DecodedBatch) {
        var data: JSONObject = ["path": .string(made.path)]
        if let id = made.id.flatMap({ Int64($0) }) { data["streamId"] = .integer(id) }
        data["mask"] = made.native["event"]?["mask"]
        data["native"] = made.native
        append(type, subject: made.path, made: made, ids: [made.id], data: data, into: &batch)
    }

    /// An event that only has the producer's own type, `org.dcache.inotify.in_open`; given on request only.
    func own(_ kind: String, _ made: Made, into batch: inout DecodedBatch) {
        guard includesOwnTypes else {
            batch.ignored += 1
            return
        }
        let name = kind.lowercased().filter { $0.isLetter || $0.isNumber || $0 == "_" }
        emit("org.dcache.inotify.\(name)", made, into: &batch)
    }

    func emitPair(from: Half, to: Half, into batch: inout DecodedBatch) {
        let made = Made(
            path: to.path, subscription: to.subscription, id: to.id, native: to.native, line: min(from.line, to.line))
        var data: JSONObject = ["from": .string(from.path), "to": .string(to.path), "path": .string(to.path)]
        data["streamIds"] = .array(
            [from.id, to.id].compactMap { $0.flatMap { Int64($0) } }.sorted().map { .integer($0) })
        data["native"] = [from.native, to.native]
        append(
            to.isDirectory ? "dev.weir.directory.moved" : "dev.weir.file.moved", subject: to.path, made: made,
            ids: [from.id, to.id], data: data, into: &batch)
    }

    func emitLone(_ half: Half, into batch: inout DecodedBatch) {
        let made = Made(
            path: half.path, subscription: half.subscription, id: half.id, native: half.native, line: half.line)
        let kind = half.isDirectory ? "directory" : "file"
        emit("dev.weir.\(kind).\(half.isFrom ? "disappeared" : "appeared")", made, into: &batch)
    }

    private func append(
        _ type: String, subject: String, made: Made, ids: [String?], data: JSONObject, into batch: inout DecodedBatch
    ) {
        // The channel's URL with the stream's id names one message; without an id there is only what it says.
        var hash = StableHash()
        let channel = made.subscription.firstRange(of: "/subscriptions/").map {
            String(made.subscription[..<$0.lowerBound])
        }
        hash.add(channel ?? made.subscription)
        hash.add(type)
        for id in ids { hash.add(id ?? "") }
        if ids.contains(where: { $0 == nil }) { made.native.encoded().withUnsafeBytes { hash.add(Run($0)) } }
        let directory = subject.lastIndex(of: "/").map { $0 == subject.startIndex ? "/" : String(subject[..<$0]) }
        let event = CloudEvent(
            id: hash.hex, source: Self.source(made.subscription), type: type, subject: AttributeText.printable(subject),
            extensions: [
                .init(name: "storagesystem", value: .string("dcache")), .init(name: "outcome", value: .string("ok")),
                .init(name: "partitionkey", value: .string(AttributeText.printable(directory ?? subject))),
            ], data: .json(JSONValue.object(data).encoded()))
        batch.records.append(EventRecord(event))
        batch.origins.append(.init(line: made.line, lines: 1))
    }

    /// `dcache://host:port` from the subscription's URL.
    private static func source(_ subscription: String) -> String {
        guard let scheme = subscription.firstRange(of: "://") else { return "dcache://unknown" }
        let host = subscription[scheme.upperBound...].prefix { $0 != "/" }
        return "dcache://\(host)"
    }
}

/// Text that may stand in an attribute: what CloudEvents forbids there is percent-encoded.
enum AttributeText {
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isForbidden) else { return text }
        var out = ""
        for scalar in text.unicodeScalars {
            if isForbidden(scalar) {
                for byte in String(scalar).utf8 {
                    let digits = String(byte, radix: 16, uppercase: true)
                    out += byte < 16 ? "%0\(digits)" : "%\(digits)"
                }
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// Control characters and noncharacters (CloudEvents 1.0.2 §3.3, String).
    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        let value = scalar.value
        return value < 0x20 || (0x7F...0x9F).contains(value) || (0xFDD0...0xFDEF).contains(value)
            || value & 0xFFFE == 0xFFFE
    }
}
