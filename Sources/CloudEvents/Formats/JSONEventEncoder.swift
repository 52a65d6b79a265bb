/// Writes events in the JSON event format (CloudEvents JSON format 1.0.2).
package enum JSONEventEncoder {
    /// Appends one event as a compact JSON object.
    package static func write(_ view: EventView, into out: inout [UInt8]) {
        // Attributes grow by at most a few quotes and commas; only data with many escapes grows further.
        out.reserveCapacity(out.count + view.bytes.count + 64)
        append("{\"specversion\":\"1.0\"", to: &out)
        view.forEachAttribute { name, kind, value in
            out.append(0x2C)
            JSONWriter.string(name, into: &out)
            out.append(0x3A)
            switch kind {
            case .boolean, .integer: out.append(contentsOf: value)
            case .binary: base64(value, into: &out)
            case .string, .uri, .uriReference, .timestamp: JSONWriter.string(value, into: &out)
            }
        }
        data(of: view, into: &out)
        out.append(0x7D)
    }

    /// Appends events as a JSON array.
    package static func writeBatch(_ records: some Sequence<EventRecord>, into out: inout [UInt8]) {
        out.append(0x5B)
        var isFirst = true
        for record in records {
            if !isFirst { out.append(0x2C) }
            isFirst = false
            record.withView { write($0, into: &out) }
        }
        out.append(0x5D)
    }

    /// JSON stands inline, text as a string, anything else as Base64 (JSON format §3.1.1).
    private static func data(of view: EventView, into out: inout [UInt8]) {
        let data = view.data
        let type = view.attribute("datacontenttype")
        switch view.dataKind {
        case .none: return
        case .json where type.map({ MediaType.isJSON($0) }) ?? true:
            append(",\"data\":", to: &out)
            out.append(contentsOf: data)
        case .json, .bytes:
            if let type, let media = MediaType(type), !media.isJSON, !media.isBinary, AttributeText.isUTF8(data) {
                append(",\"data\":", to: &out)
                JSONWriter.string(data, into: &out)
            } else {
                append(",\"data_base64\":", to: &out)
                base64(data, into: &out)
            }
        }
    }

    private static func base64(_ bytes: UnsafeRawBufferPointer, into out: inout [UInt8]) {
        out.append(0x22)
        out.append(contentsOf: Base64.encode(bytes).utf8)
        out.append(0x22)
    }

    @inline(__always)
    private static func append(_ text: StaticString, to out: inout [UInt8]) {
        out.append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
