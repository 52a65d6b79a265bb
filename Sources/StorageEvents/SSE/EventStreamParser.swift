/// One event of a server-sent stream, as the parser hands it over.
public struct StreamMessage: Sendable, Hashable {
    /// The event's type; `message` when the stream named none.
    public var event: String
    /// The last id that the stream has set, perhaps by an event before; `nil` when it has set none.
    public var id: String?
    /// The data, lines joined by line feeds.
    public var data: [UInt8]

    public init(event: String, id: String?, data: [UInt8]) {
        self.event = event
        self.id = id
        self.data = data
    }
}

/// Reads `text/event-stream` line by line (HTML Living Standard, server-sent events §9.2.6).
///
/// Feed it through ``feed(_:)`` in pieces of any size, or line by line with ``line(_:)``.
public struct EventStreamParser: Sendable {
    /// The most bytes the data of one event may have; what is beyond is cut off and the event dropped.
    public static let maximumData = 4 << 20

    /// What `Last-Event-ID` must say on reconnection; `nil` when no id was set.
    public private(set) var lastEventID: String?
    /// The reconnection time the server asked for, in milliseconds.
    public private(set) var retry: Int?

    private var event = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var isTooLong = false
    private var isFirstLine = true
    private var partial: [UInt8] = []
    private var lastWasReturn = false

    /// - Parameter lastEventID: The id with which the stream was asked for.
    public init(lastEventID: String? = nil) {
        self.lastEventID = lastEventID
    }

    /// Takes bytes in and returns the events that they complete. Lines end by CR, LF or both.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer) -> [StreamMessage] {
        var messages: [StreamMessage] = []
        for byte in bytes {
            if byte == 0x0A || byte == 0x0D {
                defer { lastWasReturn = byte == 0x0D }
                if byte == 0x0A, lastWasReturn { continue }
                let line = partial
                partial.removeAll(keepingCapacity: true)
                if let message = line.withUnsafeBytes({ self.line($0) }) { messages.append(message) }
            } else {
                lastWasReturn = false
                if partial.count < Self.maximumData { partial.append(byte) } else { isTooLong = true }
            }
        }
        return messages
    }

    /// Takes one line without its end; returns the event that it completes.
    public mutating func line(_ bytes: UnsafeRawBufferPointer) -> StreamMessage? {
        var line = bytes
        if isFirstLine {
            isFirstLine = false
            if line.hasPrefix("\u{FEFF}") { line = line.run(3, line.count) }
        }
        if line.count > 0, line[line.count - 1] == 0x0D { line = line.run(0, line.count - 1) }
        if line.count == 0 { return dispatch() }
        let colon = line.first(0x3A) ?? line.count
        if colon == 0 { return nil }
        let field = line.run(0, colon)
        var value = line.run(min(colon + 1, line.count), line.count)
        if value.count > 0, value[0] == 0x20 { value = value.run(1, value.count) }
        if field.equals("data") {
            if hasData { data.append(0x0A) }
            hasData = true
            if data.count + value.count > Self.maximumData { isTooLong = true } else { data.append(contentsOf: value) }
        } else if field.equals("event") {
            event = value.text
        } else if field.equals("id") {
            if value.first(0) == nil { lastEventID = value.text }
        } else if field.equals("retry"), let milliseconds = value.decimal, milliseconds >= 0 {
            retry = Int(milliseconds)
        }
        return nil
    }

    private mutating func dispatch() -> StreamMessage? {
        defer {
            event = ""
            data = []
            (hasData, isTooLong) = (false, false)
        }
        guard hasData, !isTooLong else { return nil }
        return StreamMessage(event: event.isEmpty ? "message" : event, id: lastEventID, data: data)
    }
}
