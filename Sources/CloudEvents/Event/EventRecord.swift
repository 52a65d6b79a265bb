/// One event as contiguous bytes: the form in which it is stored, routed and handed on.
///
/// Layout, little-endian:
///
///     0   u8   version, 1
///     1   u8   kind of data: 0 none, 1 one JSON value, 2 bytes
///     2   u16  number of attributes
///     4   u32  length of the attribute block
///     8   u32  length of the data
///     12  the attribute block, then the data
///
/// One attribute: `u8` length of the name, `u8` type, `u16` zero, `u32` length of the value, name, value. The value is
/// the canonical text (binary: the bytes), so that a filter compares bytes and makes no string. `type`, `source`,
/// `subject`, `id` and `time` come first, in this order, because routing asks for them.
public struct EventRecord: Sendable, Hashable {
    /// The bytes, in the layout above.
    public let bytes: [UInt8]

    /// Takes bytes that are known to be in the layout above; see ``EventView/init(validating:)`` for those that are not.
    package init(uncheckedBytes bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Takes bytes that claim to be a record; `nil` when they are not in the layout above.
    public init?(validating bytes: [UInt8]) {
        guard bytes.withUnsafeBytes({ EventView(validating: $0) != nil }) else { return nil }
        self.bytes = bytes
    }

    /// Encodes an event. Attribute rules are not checked here: see ``CloudEvent/validate()``.
    ///
    /// - Precondition: at most 65 535 attributes with names of at most 255 bytes, and lengths within 32 bits; a valid
    ///   event has fewer and shorter ones.
    public init(_ event: CloudEvent) {
        var writer = EventRecordWriter(capacity: 512)
        writer.attribute("type", event.type)
        writer.attribute("source", event.source, .uriReference)
        if let subject = event.subject { writer.attribute("subject", subject) }
        writer.attribute("id", event.id)
        if let time = event.time { writer.attribute("time", time.text, .timestamp) }
        if let type = event.datacontenttype { writer.attribute("datacontenttype", type) }
        if let schema = event.dataschema { writer.attribute("dataschema", schema, .uri) }
        for one in event.extensions { writer.attribute(one.name, one.value) }
        switch event.data {
        case .json(let bytes): bytes.withUnsafeBytes { writer.data($0, kind: .json) }
        case .bytes(let bytes): bytes.withUnsafeBytes { writer.data($0, kind: .bytes) }
        case nil: break
        }
        self = writer.finish()
    }

    /// Runs `body` on a view of the record, which must not leave it.
    @inlinable
    public func withView<Result, Failure: Error>(
        _ body: (EventView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // The nested do keeps the typed error across the standard library's rethrowing closure.
        var outcome: Swift.Result<Result, Failure>?
        bytes.withUnsafeBytes { buffer in
            do throws(Failure) {
                outcome = .success(try body(EventView(unchecked: buffer)))
            } catch {
                outcome = .failure(error)
            }
        }
        return try outcome.unsafelyUnwrapped.get()
    }

    /// The event in the form for people and decoders.
    public var event: CloudEvent { withView { $0.event } }
}

/// The type of a stored attribute value.
public enum AttributeKind: UInt8, Sendable {
    case string = 0
    case boolean, integer, binary, uri, uriReference, timestamp
}

/// What kind of data a record carries.
public enum DataKind: UInt8, Sendable {
    case none = 0
    case json, bytes
}

/// A borrowed look at one encoded event: attributes and data as ranges of the same bytes, nothing copied.
///
/// Valid only while the bytes behind it are; it is handed to closures and must not leave them.
public struct EventView {
    @usableFromInline
    package let base: UnsafeRawBufferPointer

    package static var headerLength: Int { 12 }

    @inlinable
    package init(unchecked base: UnsafeRawBufferPointer) {
        self.base = base
    }

    /// Checks version, lengths and that every attribute lies within the block; `nil` otherwise.
    public init?(validating base: UnsafeRawBufferPointer) {
        guard base.count >= Self.headerLength, base[0] == 1, base[1] <= 2 else { return nil }
        let block = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        let data = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        guard Self.headerLength + block + data == base.count, base[1] != 0 || data == 0 else { return nil }
        var count = Int(UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        var position = Self.headerLength
        let end = position + block
        while count > 0 {
            guard position + 8 <= end, base[position] > 0, AttributeKind(rawValue: base[position + 1]) != nil else {
                return nil
            }
            let value = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            position += 8 + Int(base[position]) + value
            guard position <= end else { return nil }
            count -= 1
        }
        guard position == end else { return nil }
        self.base = base
    }

    /// The whole record's bytes.
    public var bytes: UnsafeRawBufferPointer { base }

    /// How many context attributes the event has.
    public var attributeCount: Int { Int(UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))) }

    /// What kind of data the event carries.
    public var dataKind: DataKind { DataKind(rawValue: base[1]) ?? .none }

    /// The data's bytes; empty when there are none.
    public var data: UnsafeRawBufferPointer {
        let block = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        return UnsafeRawBufferPointer(rebasing: base[(Self.headerLength + block)...])
    }

    /// The value of an attribute as canonical text bytes (binary attributes: their bytes); `nil` when absent.
    public func attribute(_ name: StaticString) -> UnsafeRawBufferPointer? {
        find(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))?.value
    }

    /// The same for a name known only at run time.
    public func attribute(_ name: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? { find(name)?.value }

    /// The value of an attribute as a string; `nil` when absent.
    public func string(_ name: StaticString) -> String? {
        attribute(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The value and the type of an attribute.
    package func find(_ name: UnsafeRawBufferPointer) -> (value: UnsafeRawBufferPointer, kind: AttributeKind)? {
        guard let start = base.baseAddress else { return nil }
        var position = Self.headerLength
        for _ in 0..<attributeCount {
            let nameLength = Int(base[position])
            let length = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            if nameLength == name.count, equalBytes(start + position + 8, name.baseAddress, nameLength) {
                let value = UnsafeRawBufferPointer(start: start + position + 8 + nameLength, count: length)
                return (value, AttributeKind(rawValue: base[position + 1]) ?? .string)
            }
            position += 8 + nameLength + length
        }
        return nil
    }

    /// Calls `body` with each attribute's name, type and value, in stored order.
    public func forEachAttribute(_ body: (UnsafeRawBufferPointer, AttributeKind, UnsafeRawBufferPointer) -> Void) {
        var position = Self.headerLength
        for _ in 0..<attributeCount {
            let nameLength = Int(base[position])
            let length = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            let name = UnsafeRawBufferPointer(rebasing: base[(position + 8)..<(position + 8 + nameLength)])
            let start = position + 8 + nameLength
            body(
                name, AttributeKind(rawValue: base[position + 1]) ?? .string,
                UnsafeRawBufferPointer(rebasing: base[start..<(start + length)]))
            position = start + length
        }
    }

    /// The event in the form for people and decoders: everything copied out.
    public var event: CloudEvent {
        var event = CloudEvent(id: "", source: "", type: "")
        forEachAttribute { name, kind, value in
            func text() -> String { String(decoding: value, as: UTF8.self) }
            switch String(decoding: name, as: UTF8.self) {
            case "id": event.id = text()
            case "source": event.source = text()
            case "type": event.type = text()
            case "subject": event.subject = text()
            case "time": event.time = EventTime(text())
            case "datacontenttype": event.datacontenttype = text()
            case "dataschema": event.dataschema = text()
            case let other:
                let decoded: AttributeValue =
                    switch kind {
                    case .string: .string(text())
                    case .boolean: .boolean(value.first == 0x74)
                    case .integer: .integer(Int32(text()) ?? 0)
                    case .binary: .binary(Array(value))
                    case .uri: .uri(text())
                    case .uriReference: .uriReference(text())
                    case .timestamp: EventTime(text()).map { .timestamp($0) } ?? .string(text())
                    }
                event.extensions.append(.init(name: other, value: decoded))
            }
        }
        switch dataKind {
        case .none: break
        case .json: event.data = .json(Array(data))
        case .bytes: event.data = .bytes(Array(data))
        }
        return event
    }
}

/// Writes one record, attribute by attribute.
///
/// For decoders on the hot path: attributes may be given as bytes, so that no string is made. Call order is the stored
/// order; put `type`, `source`, `subject`, `id`, `time` first.
package struct EventRecordWriter: ~Copyable {
    private var bytes: [UInt8]
    /// Where the record begins.
    private let start: Int
    private var count: UInt16 = 0
    private var isSealed = false

    package init(capacity: Int) {
        var bytes: [UInt8] = []
        self.init(taking: &bytes)
        self.bytes.reserveCapacity(capacity)
    }

    /// Writes behind what is there, for many records in one run of bytes; end with ``finishBytes()``. Until then `bytes` is
    /// empty: a second owner would mean a copy of all records before it for each that is written.
    package init(taking bytes: inout [UInt8]) {
        self.bytes = []
        swap(&self.bytes, &bytes)
        start = self.bytes.count
        for _ in 0..<EventView.headerLength { self.bytes.append(0) }
        self.bytes[start] = 1
    }

    package mutating func attribute(_ name: StaticString, _ value: String, _ kind: AttributeKind = .string) {
        var value = value
        value.withUTF8 { attribute(name, UnsafeRawBufferPointer($0), kind) }
    }

    package mutating func attribute(
        _ name: StaticString, _ value: UnsafeRawBufferPointer, _ kind: AttributeKind = .string
    ) {
        attribute(name: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value, kind)
    }

    package mutating func attribute(_ name: String, _ value: AttributeValue) {
        let kind: AttributeKind
        var text: String
        switch value {
        case .binary(let bytes):
            var name = name
            name.withUTF8 { nameBytes in
                bytes.withUnsafeBytes { attribute(name: UnsafeRawBufferPointer(nameBytes), $0, .binary) }
            }
            return
        case .boolean: kind = .boolean
        case .integer: kind = .integer
        case .string: kind = .string
        case .uri: kind = .uri
        case .uriReference: kind = .uriReference
        case .timestamp: kind = .timestamp
        }
        text = value.canonicalText
        var name = name
        name.withUTF8 { nameBytes in
            text.withUTF8 { attribute(name: UnsafeRawBufferPointer(nameBytes), UnsafeRawBufferPointer($0), kind) }
        }
    }

    package mutating func attribute(
        name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ kind: AttributeKind
    ) {
        precondition(name.count <= 255, "an attribute name is at most 255 bytes long: validate the event first")
        bytes.append(UInt8(name.count))
        bytes.append(kind.rawValue)
        bytes.append(0)
        bytes.append(0)
        withUnsafeBytes(of: UInt32(value.count).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: name)
        bytes.append(contentsOf: value)
        count += 1
    }

    /// Adds the data and ends the attribute block. Call at most once, last.
    package mutating func data(_ data: UnsafeRawBufferPointer, kind: DataKind) {
        sealAttributes()
        guard kind != .none else { return }
        bytes[start + 1] = kind.rawValue
        put(UInt32(data.count), at: start + 8)
        bytes.append(contentsOf: data)
    }

    /// All bytes, those that were there before included.
    package consuming func finishBytes() -> [UInt8] {
        if !isSealed { sealAttributes() }
        return bytes
    }

    package consuming func finish() -> EventRecord {
        if !isSealed { sealAttributes() }
        return EventRecord(uncheckedBytes: bytes)
    }

    private mutating func sealAttributes() {
        isSealed = true
        bytes[start + 2] = UInt8(truncatingIfNeeded: count)
        bytes[start + 3] = UInt8(truncatingIfNeeded: count >> 8)
        put(UInt32(bytes.count - start - EventView.headerLength), at: start + 4)
    }

    private mutating func put(_ value: UInt32, at index: Int) {
        for shift in 0..<4 { bytes[index + shift] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(shift))) }
    }
}

/// Whether two byte runs are equal; a loop because the runs compared here are short names.
@inline(__always)
package func equalBytes(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer?, _ count: Int) -> Bool {
    guard let b else { return count == 0 }
    for index in 0..<count
    where a.load(fromByteOffset: index, as: UInt8.self) != b.load(fromByteOffset: index, as: UInt8.self) {
        return false
    }
    return true
}
