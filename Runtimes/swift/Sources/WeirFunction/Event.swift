/// One CloudEvent.
///
/// The attributes are looked up, and the data is decoded, when they are asked for: a handler pays for what it looks at.
public struct Event: Sendable {
    /// How the data lies in the frame.
    enum DataKind: Int, Sendable { case arguments = -1, none, json, bytes }

    let frame: Frame
    let attributes: Range<Int>
    let dataKind: DataKind
    let dataRange: Range<Int>
    /// The call's activation, which is the id of an event that stands for a person's arguments.
    let activation: Range<Int>

    public var id: String { self["id"]?.string ?? "" }
    public var source: String { self["source"]?.string ?? "" }
    public var type: String { self["type"]?.string ?? "" }
    public var subject: String? { self["subject"]?.string }
    public var time: String? { self["time"]?.string }
    public var datacontenttype: String? { self["datacontenttype"]?.string }

    /// An attribute; `nil` when the event has none of that name.
    public subscript(name: String) -> JSON? {
        if dataKind == .arguments, !isWholeEvent {
            switch name {
            case "specversion": return "1.0"
            case "id": return .string(frame.text(activation))
            case "source": return "/weir/invocation"
            case "type": return "dev.weir.invocation"
            default: return nil
            }
        }
        return name == "data" || name == "data_base64" ? nil : member(name)
    }

    /// All attributes, in the order in which they came.
    public var allAttributes: [JSON.Member] {
        if dataKind == .arguments, !isWholeEvent {
            return ["specversion", "id", "source", "type"].map { .init($0, self[$0] ?? .null) }
        }
        return (value(attributes).object ?? []).filter { $0.name != "data" && $0.name != "data_base64" }
    }

    /// The data as JSON; `nil` when there is none or it is no JSON. Bytes are ``bytes``.
    public var data: JSON? {
        switch dataKind {
        case .none, .bytes: return nil
        case .json: return value(dataRange)
        case .arguments:
            if isWholeEvent { return member("data") }
            // The function's parameters, and over them what it was called with.
            guard let parameters = Function.shared.parameters.object, !parameters.isEmpty else {
                return value(attributes)
            }
            let given = value(attributes).object ?? []
            let names = Set(given.map(\.name))
            return .object(parameters.filter { !names.contains($0.name) } + given)
        }
    }

    /// The data as the bytes that they are; of JSON data its text.
    public var bytes: [UInt8] {
        switch dataKind {
        case .json, .bytes: frame.bytes(dataRange)
        case .none: []
        case .arguments: Array((data ?? .null).text.utf8)
        }
    }

    private var isWholeEvent: Bool { member("specversion") != nil }

    private func value(_ range: Range<Int>) -> JSON {
        frame.withBytes(range) { (try? JSON(parsing: $0)) ?? .null }
    }

    /// One member of the attributes' object, found by its name without reading the others.
    private func member(_ name: String) -> JSON? {
        frame.withBytes(attributes) { bytes in
            var scanner = Scanner(bytes)
            guard scanner.take(0x7B), !scanner.take(0x7D) else { return nil }
            let wanted = Array(name.utf8)
            while let (found, _) = try? scanner.skipString(), scanner.take(0x3A) {
                let isWanted =
                    found.count == wanted.count
                    && wanted.withUnsafeBytes { same($0, UnsafeRawBufferPointer(rebasing: bytes[found])) }
                if isWanted { return try? scanner.value(depth: 0) }
                guard (try? scanner.skipValue()) != nil, scanner.take(0x2C) else { return nil }
            }
            return nil
        }
    }

    private func same(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        one.elementsEqual(other)
    }
}

/// The bytes of one frame, as long as an event of it is used.
final class Frame: Sendable {
    private let storage: [UInt8]

    init(_ storage: [UInt8]) { self.storage = storage }

    func withBytes<Result>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        storage.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    func bytes(_ range: Range<Int>) -> [UInt8] { Array(storage[range]) }

    func text(_ range: Range<Int>) -> String { String(decoding: storage[range], as: UTF8.self) }
}
