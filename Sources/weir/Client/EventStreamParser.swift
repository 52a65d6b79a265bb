import NIOCore

/// Reads `text/event-stream` (WHATWG HTML §9.2.6) from chunks.
struct EventStreamParser {
    /// One dispatched event.
    struct Event {
        var name: String
        var id: String?
        var data: [UInt8]
    }

    private var line: [UInt8] = []
    private var name = ""
    private var id: String?
    private var data: [UInt8] = []
    private var hasData = false
    private var lastWasReturn = false

    /// Takes the next bytes and gives the events that they complete.
    mutating func feed(_ bytes: ByteBufferView) -> [Event] {
        var events: [Event] = []
        for byte in bytes {
            if byte == 0x0A, lastWasReturn {
                lastWasReturn = false
                continue
            }
            lastWasReturn = byte == 0x0D
            if byte == 0x0A || byte == 0x0D {
                if let event = endLine() { events.append(event) }
                line.removeAll(keepingCapacity: true)
            } else {
                line.append(byte)
            }
        }
        return events
    }

    private mutating func endLine() -> Event? {
        guard !line.isEmpty else {
            defer { (name, data, hasData) = ("", [], false) }
            return hasData ? Event(name: name.isEmpty ? "message" : name, id: id, data: data) : nil
        }
        let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
        var start = min(colon + 1, line.endIndex)
        if start < line.endIndex, line[start] == 0x20 { start += 1 }
        let value = line[start...]
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "event": name = String(decoding: value, as: UTF8.self)
        case "id": id = String(decoding: value, as: UTF8.self)
        case "data":
            if hasData { data.append(0x0A) }
            data += value
            hasData = true
        default: break
        }
        return nil
    }
}
