/// The Kafka protocol binding of CloudEvents 1.0.2: a record's key, value and headers to an event and back.
///
/// Knows no Kafka library. Header values are text with nothing encoded (§3.2.4.2), so the type of an extension attribute
/// would be lost; what is written here says it in a header of its own, `weir_types`, which is no attribute and which
/// others pass over.
public enum KafkaBinding {
    /// How an event stands in a record (§1.3).
    public enum ContentMode: String, Sendable, CaseIterable {
        /// Attributes as `ce_` headers, data as value.
        case binary
        /// The event in the JSON format as value.
        case structured
    }

    /// What of a Kafka record concerns an event.
    public struct Message: Sendable {
        public var key: [UInt8]?
        /// `nil`: the record has none (a tombstone in a compacted topic).
        public var value: [UInt8]?
        public var headers: [(name: String, value: [UInt8]?)]

        public init(key: [UInt8]? = nil, value: [UInt8]?, headers: [(name: String, value: [UInt8]?)]) {
            self.key = key
            self.value = value
            self.headers = headers
        }
    }

    /// Writes an event; its `partitionkey`, if it has one, is the key (§3.1).
    public static func encode(_ record: EventRecord, mode: ContentMode = .binary) -> Message {
        record.withView { view in
            var message = Message(value: nil, headers: [])
            message.key = view.attribute("partitionkey").map { Array($0) }
            withValue(of: view, mode) { value in message.value = value.map { Array($0) } }
            forEachHeader(of: view, mode) { name, value in
                message.headers.append((name: name.text, value: Array(value)))
            }
            return message
        }
    }

    /// Reads an event in either mode.
    ///
    /// - Throws: ``CloudEventError`` naming the attribute at fault; `notAnEvent` for a record that does not claim to be one.
    public static func decode(_ message: Message) throws(CloudEventError) -> EventRecord {
        var decoder = KafkaEventDecoder()
        let names = message.headers.map { Array($0.name.utf8) }
        return try decode(message, names, &decoder)
    }

    /// The decoder keeps pointers into names and values until it has ended, so all of them are held open around it.
    private static func decode(
        _ message: Message, _ names: [[UInt8]], _ decoder: inout KafkaEventDecoder
    ) throws(CloudEventError) -> EventRecord {
        var outcome: Result<[UInt8], CloudEventError> = .success([])
        func go(_ index: Int) {
            guard index < names.count else {
                var out: [UInt8] = []
                func end(_ value: UnsafeRawBufferPointer?) {
                    do throws(CloudEventError) {
                        try decoder.finish(value: value, into: &out)
                        outcome = .success(out)
                    } catch {
                        outcome = .failure(error)
                    }
                }
                if let value = message.value { value.withUnsafeBytes { end($0) } } else { end(nil) }
                return
            }
            names[index].withUnsafeBytes { name in
                guard let value = message.headers[index].value else {
                    decoder.take(name, nil)
                    return go(index + 1)
                }
                value.withUnsafeBytes { value in
                    decoder.take(name, value)
                    go(index + 1)
                }
            }
        }
        // Each header is one more frame of the stack: an event has few, and a message with very many is none.
        guard names.count <= AttributeRules.maximumCount + 16 else {
            throw CloudEventError(.tooManyAttributes, nil, "a record with \(names.count) headers is no event")
        }
        go(0)
        return EventRecord(uncheckedBytes: try outcome.get())
    }
}

/// Writing, for those who hand names and values on without making strings of them.
extension KafkaBinding {
    /// The header that says which attributes are not text: `name=type` with blanks between; `data` stands for the data.
    package static var typesHeader: StaticString { "weir_types" }

    /// Runs `body` on the value of the record; `nil` when it has none.
    package static func withValue(
        of view: EventView, _ mode: ContentMode, _ body: (UnsafeRawBufferPointer?) -> Void
    ) {
        switch mode {
        case .binary: body(view.dataKind == .none ? nil : view.data)
        case .structured:
            var json: [UInt8] = []
            JSONEventFormat.encode(view, into: &json)
            json.withUnsafeBytes { body($0) }
        }
    }

    /// How many headers there will be at most.
    package static func headerCount(of view: EventView, _ mode: ContentMode) -> Int {
        mode == .binary ? view.attributeCount + 2 : 1
    }

    /// Calls `body` with each header in turn.
    package static func forEachHeader(
        of view: EventView, _ mode: ContentMode,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        }
        guard mode == .binary else {
            return body(bytes("content-type"), bytes("application/cloudevents+json; charset=UTF-8"))
        }
        body(bytes("ce_specversion"), bytes("1.0"))
        var types: [UInt8] = []
        var saysJSON = false
        var hasType = false
        withUnsafeTemporaryAllocation(byteCount: 3 + AttributeRules.maximumNameLength, alignment: 1) { scratch in
            scratch.copyBytes(from: bytes("ce_"))
            view.forEachAttribute { name, kind, value in
                if name.elementsEqual("datacontenttype") {
                    hasType = true
                    saysJSON = value.elementsEqual("application/json") || MediaType.isJSON(value)
                    return body(bytes("content-type"), value)
                }
                UnsafeMutableRawBufferPointer(rebasing: scratch[3...]).copyBytes(from: name)
                let prefixed = UnsafeRawBufferPointer(rebasing: scratch[..<(3 + name.count)])
                if kind != .string, StandardAttribute(name) == nil { note(name, kind, &types) }
                guard kind == .binary else { return body(prefixed, value) }
                var base64 = Base64.encode(value)
                base64.withUTF8 { body(prefixed, UnsafeRawBufferPointer($0)) }
            }
        }
        // Without a media type data is bytes to who reads a record, with one of JSON it is JSON.
        if view.dataKind == .json, !hasType { types.append(contentsOf: "data=json ".utf8) }
        if view.dataKind == .bytes, saysJSON { types.append(contentsOf: "data=bytes ".utf8) }
        guard !types.isEmpty else { return }
        types.removeLast()
        types.withUnsafeBytes { body(bytes(typesHeader), $0) }
    }

    private static func note(_ name: UnsafeRawBufferPointer, _ kind: AttributeKind, _ types: inout [UInt8]) {
        types.append(contentsOf: name)
        types.append(0x3D)
        types.append(contentsOf: kind.word.utf8)
        types.append(0x20)
    }
}

extension AttributeKind {
    /// The type's name in CloudEvents' own words, without a capital.
    fileprivate var word: String {
        switch self {
        case .string: "string"
        case .boolean: "boolean"
        case .integer: "integer"
        case .binary: "binary"
        case .uri: "uri"
        case .uriReference: "urireference"
        case .timestamp: "timestamp"
        }
    }

    init?(word: UnsafeRawBufferPointer) {
        let all: [AttributeKind] = [.string, .boolean, .integer, .binary, .uri, .uriReference, .timestamp]
        guard let kind = all.first(where: { word.elementsEqual($0.word.utf8) }) else { return nil }
        self = kind
    }
}
