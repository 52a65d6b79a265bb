/// Writing of the binary content mode (HTTP binding §3.1).
extension HTTPBinding {
    static func encodeBinary(_ view: EventView) -> Message {
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(view.attributeCount + 2)
        headers.append((name: "ce-specversion", value: "1.0"))
        var contentType: String?
        view.forEachAttribute { name, kind, value in
            if name.elementsEqual("datacontenttype") {
                contentType = Self.contentType(value)
                return
            }
            let text: String
            if kind == .binary {
                var base64 = Base64.encode(value)
                text = base64.withUTF8 { HTTPHeaderValue.encode(UnsafeRawBufferPointer($0)) }
            } else {
                text = HTTPHeaderValue.encode(value)
            }
            headers.append((name: "ce-" + HTTPHeaderValue.encode(name), value: text))
        }
        // JSON without a type is JSON by the JSON format's own rule; HTTP has no such rule, so it is said (§3.1.2 there).
        if contentType == nil, view.dataKind == .json { contentType = "application/json" }
        if let contentType { headers.append((name: "content-type", value: contentType)) }
        return Message(headers: headers, body: Array(view.data))
    }

    /// The media type goes out as it is; only what no header may hold is encoded.
    private static func contentType(_ value: UnsafeRawBufferPointer) -> String {
        if value.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return value.text }
        return HTTPHeaderValue.encode(value)
    }
}
