public import CloudEvents

/// One thing that a message of the stream, or two halves of a move, told.
public struct StreamHappening: Sendable {
    /// The event's type.
    public var type: String
    /// Where: of a move, where it is now.
    public var path: String
    /// Where it was, of a move.
    public var from: String?
    public var isDirectory: Bool
    /// Whose watch told it.
    public var subscription: String
    /// The stream's ids of the messages.
    public var ids: [String?]
    public var native: JSONValue
    public var line: Int
    /// More to stand in the event's data.
    public var details = JSONObject()

    public init(
        type: String, path: String, from: String? = nil, isDirectory: Bool, subscription: String, ids: [String?],
        native: JSONValue, line: Int
    ) {
        self.type = type
        self.path = path
        self.from = from
        self.isDirectory = isDirectory
        self.subscription = subscription
        self.ids = ids
        self.native = native
        self.line = line
    }

    /// The event. The stream tells no time: the owner adds when it saw it.
    public var event: CloudEvent {
        var data: JSONObject = ["path": .string(path)]
        let numbers = ids.compactMap { $0.flatMap { Int64($0) } }
        if let from {
            data = ["from": .string(from), "to": .string(path), "path": .string(path)]
            data["streamIds"] = .array(numbers.sorted().map { .integer($0) })
        } else {
            if let id = numbers.first { data["streamId"] = .integer(id) }
            data["mask"] = native["event"]?["mask"]
        }
        for member in details.members { data[member.name] = member.value }
        data["native"] = native
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
        return CloudEvent(
            id: id, source: source, type: type, subject: AttributeText.printable(path),
            extensions: [
                .init(name: "storagesystem", value: .string("dcache")), .init(name: "outcome", value: .string("ok")),
                .init(name: "partitionkey", value: .string(AttributeText.printable(folder ?? path))),
            ], data: .json(JSONValue.object(data).encoded()))
    }

    /// The channel's URL with the stream's id names one message; without an id there is only what it says.
    private var id: String {
        var hash = StableHash()
        let channel = subscription.firstRange(of: "/subscriptions/").map { String(subscription[..<$0.lowerBound]) }
        hash.add(channel ?? subscription)
        hash.add(type)
        for id in ids { hash.add(id ?? "") }
        if ids.contains(where: { $0 == nil }) { native.encoded().withUnsafeBytes { hash.add(Run($0)) } }
        return hash.hex
    }

    /// `dcache://host:port` from the subscription's URL.
    private var source: String {
        guard let scheme = subscription.firstRange(of: "://") else { return "dcache://unknown" }
        return "dcache://\(subscription[scheme.upperBound...].prefix { $0 != "/" })"
    }
}

extension DecodedBatch {
    mutating func take(_ output: InotifyMapper.Output) {
        for happening in output.happenings {
            records.append(EventRecord(happening.event))
            origins.append(.init(line: happening.line, lines: 1))
        }
        failures += output.failures
        ignored += output.ignored
    }
}

extension InotifyMapper {
    struct Made {
        var path: String
        var subscription: String
        var id: String?
        var native: JSONValue
        var line: Int
    }

    func emit(_ type: String, _ made: Made, isDirectory: Bool, into output: inout Output) {
        output.happenings.append(
            StreamHappening(
                type: type, path: made.path, isDirectory: isDirectory, subscription: made.subscription, ids: [made.id],
                native: made.native, line: made.line))
    }

    /// An event that only has the producer's own type, `org.dcache.inotify.in_open`; given on request only.
    func own(_ kind: String, _ made: Made, isDirectory: Bool, into output: inout Output) {
        guard includesOwnTypes else {
            output.ignored += 1
            return
        }
        let name = kind.lowercased().filter { $0.isLetter || $0.isNumber || $0 == "_" }
        emit("org.dcache.inotify.\(name)", made, isDirectory: isDirectory, into: &output)
    }

    func emitPair(from: Half, to: Half, into output: inout Output) {
        output.happenings.append(
            StreamHappening(
                type: to.isDirectory ? "dev.weir.directory.moved" : "dev.weir.file.moved", path: to.path,
                from: from.path, isDirectory: to.isDirectory, subscription: to.subscription, ids: [from.id, to.id],
                native: [from.native, to.native], line: min(from.line, to.line)))
    }

    func emitLone(_ half: Half, into output: inout Output) {
        let made = Made(
            path: half.path, subscription: half.subscription, id: half.id, native: half.native, line: half.line)
        let kind = half.isDirectory ? "directory" : "file"
        emit(
            "dev.weir.\(kind).\(half.isFrom ? "disappeared" : "appeared")", made, isDirectory: half.isDirectory,
            into: &output)
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
