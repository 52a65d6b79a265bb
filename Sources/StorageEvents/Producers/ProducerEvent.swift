import CloudEvents

/// What a record of one of the further producers says, on its way to becoming an event.
struct ProducerEvent {
    /// `storagesystem`: `eos`, `lustre` …
    var system: String
    /// The event's source, a URI.
    var source: String
    var type: String
    var subject: String?
    var time: EventTime?
    var isOK = true
    /// `protocol`, where the record tells it.
    var access: String?
    var size: Int64?
    var fileID: String?
    var owner: String?
    /// `partitionkey`; the subject's folder when absent.
    var key: String?
    /// The normalised record.
    var data = JSONObject()
    /// The record as it came.
    var native: Native
    /// What makes two events of one record differ.
    var part = ""

    enum Native {
        /// A line; shown with U+FFFD where it is no UTF-8, and whole as Base64 then.
        case line([UInt8])
        case json([UInt8])

        var bytes: [UInt8] {
            switch self {
            case .line(let bytes), .json(let bytes): bytes
            }
        }
    }

    /// Puts a text into the data unless it is empty.
    mutating func put(_ name: String, _ text: String?) {
        if let text, !text.isEmpty { data[name] = .string(text) }
    }

    mutating func put(_ name: String, _ number: Int64?) {
        if let number { data[name] = .integer(number) }
    }

    mutating func put(_ name: String, _ time: EventTime?) {
        if let time { data[name] = .string(time.text) }
    }

    var record: EventRecord {
        var hash = StableHash()
        hash.add(type)
        hash.add(part)
        native.bytes.withUnsafeBytes { hash.add(Run($0)) }
        let subject = subject.flatMap { $0.isEmpty ? nil : AttributeText.printable($0) }
        var event = CloudEvent(id: hash.hex, source: source, type: type, subject: subject, time: time)
        event["storagesystem"] = .string(system)
        if let access, !access.isEmpty { event["protocol"] = .string(AttributeText.printable(access)) }
        event["outcome"] = .string(isOK ? "ok" : "error")
        if let size { FileSize.set(size, in: &event) }
        if let fileID, !fileID.isEmpty { event["fileid"] = .string(AttributeText.printable(fileID)) }
        if let owner, !owner.isEmpty { event["owner"] = .string(AttributeText.printable(owner)) }
        if let key = key ?? subject.map(Self.folder(of:)), !key.isEmpty {
            event["partitionkey"] = .string(AttributeText.printable(key))
        }
        event.data = .json(encodedData)
        return EventRecord(event)
    }

    private var encodedData: [UInt8] {
        var object = data
        switch native {
        case .line(let bytes):
            object["native"] = .string(String(decoding: bytes, as: UTF8.self))
            if !bytes.withUnsafeBytes({ UTF8Check.isValid($0) }) {
                object["nativeBase64"] = .string(Base64.encode(bytes))
            }
            return JSONValue.object(object).encoded()
        case .json(let bytes):
            // Spliced in as it came, so that no digit of a number is lost.
            var out = JSONValue.object(object).encoded()
            out.removeLast()
            out.append(contentsOf: (object.isEmpty ? "\"native\":" : ",\"native\":").utf8)
            out.append(contentsOf: bytes)
            out.append(0x7D)
            return out
        }
    }

    /// The folder of a path; `/` for what lies at the top, the text itself where there is no `/`.
    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? path
    }
}

/// The size attributes: bytes as text, since CloudEvents integers have 32 bits, and mebibytes, rounded up, for filters.
enum FileSize {
    static func set(_ size: Int64, in event: inout CloudEvent) {
        event["filesize"] = .string(String(size))
        let mebibytes = size <= 0 ? 0 : (size - 1) >> 20 + 1
        if let value = Int32(exactly: mebibytes) { event["filesizemib"] = .integer(value) }
    }
}

/// Text that may stand in a URI.
package enum URIText {
    /// Percent-encodes what is neither unreserved (RFC 3986 §2.3) nor in `keeping`.
    package static func encoded(_ text: String, keeping: String = "") -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                out.unicodeScalars.append(Unicode.Scalar(byte))
            case _ where keeping.utf8.contains(byte): out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                out += "%"
                out.unicodeScalars.append(Unicode.Scalar(Self.digit(byte >> 4)))
                out.unicodeScalars.append(Unicode.Scalar(Self.digit(byte & 15)))
            }
        }
        return out
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? value + 0x30 : value + 0x37 }

    /// A host, with a port or in brackets as it may be, as the authority of a URI; `unknown` when there is none.
    static func host(_ text: String?) -> String {
        guard let text, !text.isEmpty else { return "unknown" }
        return encoded(text, keeping: text.hasPrefix("[") ? ":[]" : ":")
    }

    /// Undoes percent-encoding; what is no escape stays.
    static func decoded(_ text: Run) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == 0x25, index + 2 < text.count, let high = InternetAddress.hexValue(text[index + 1]),
                let low = InternetAddress.hexValue(text[index + 2])
            {
                out.append(high << 4 | low)
                index += 3
            } else {
                out.append(text[index])
                index += 1
            }
        }
        return out
    }
}

/// Times as the further producers write them.
enum ProducerTime {
    /// `2026-05-20 12:00:23.123456`, UTC without saying so, or with a zone behind.
    static func utc(_ text: String) -> EventTime? {
        if let time = EventTime(text) { return time }
        guard text.utf8.count >= 19 else { return nil }
        var bytes = Array(text.utf8)
        if bytes[10] == 0x20 || bytes[10] == 0x5F { bytes[10] = 0x54 }
        let joined = String(decoding: bytes, as: UTF8.self)
        if let time = EventTime(joined) { return time }
        // `+0000`, which RFC 3339 does not know.
        if bytes.count >= 24, let sign = bytes.lastIndex(where: { $0 == 0x2B || $0 == 0x2D }), bytes.count - sign == 5 {
            let head = String(decoding: bytes[..<sign], as: UTF8.self)
            let digits = String(decoding: bytes[(sign + 1)...], as: UTF8.self)
            if digits == "0000" { return EventTime(head + "Z") }
            return EventTime(
                head + String(UnicodeScalar(bytes[sign])) + digits.prefix(2) + ":" + digits.suffix(2))
        }
        return EventTime(joined + "Z")
    }

    /// Seconds since 1970 with a fraction that a double holds to the microsecond.
    static func seconds(_ value: Double) -> EventTime? {
        guard value.isFinite, abs(value) < 9e9 else { return nil }
        return EventTime(nanoseconds: Int64((value * 1e6).rounded()) * 1_000)
    }

    /// Milliseconds since 1970.
    static func milliseconds(_ value: Int64) -> EventTime? {
        guard abs(value) < 9_000_000_000_000 else { return nil }
        return EventTime(nanoseconds: value * 1_000_000)
    }
}
