/// A frame of calls: `[number, [[activation, key, attributes, kind, start, end], …]]` and the data behind it.
struct CallFrame {
    let frame: Frame
    private let bytes: Range<Int>
    private let base: Int
    let number: Int

    /// - Parameter storage: the frame without its length, which begins with the head's length.
    init(_ storage: [UInt8]) throws(JSONError) {
        guard storage.count >= 4 else { throw JSONError("a frame without a head") }
        let length = storage.withUnsafeBytes { Int($0.loadUnaligned(as: UInt32.self).littleEndian) }
        guard 4 + length <= storage.count else { throw JSONError("a frame that is shorter than its head") }
        frame = Frame(storage)
        base = 4 + length
        bytes = 4..<base
        let result = frame.withBytes(bytes) { head in
            Result { () throws(JSONError) -> Int in
                var scanner = Scanner(head)
                try scanner.expect(0x5B)
                return try scanner.integer()
            }
        }
        number = try result.get()
    }

    /// The head as a value, for the settings.
    static func settings(_ storage: [UInt8]) throws(JSONError) -> JSON {
        let length = storage.withUnsafeBytes { Int($0.loadUnaligned(as: UInt32.self).littleEndian) }
        guard storage.count >= 4, 4 + length <= storage.count else { throw JSONError("the settings are cut") }
        let result = storage.withUnsafeBytes { bytes in
            Result { () throws(JSONError) in
                try JSON(parsing: UnsafeRawBufferPointer(rebasing: bytes[4..<(4 + length)]))
            }
        }
        return try result.get()
    }

    /// Hands out each call with its event, in their order. The server writes frames: what is odd ends the process.
    func forEachCall(_ body: (Call, Event, Int) -> Void) {
        frame.withBytes(0..<base) { whole in
            var scanner = Scanner(whole, at: 4)
            guard scanner.take(0x5B), (try? scanner.skipValue()) != nil, scanner.take(0x2C), scanner.take(0x5B) else {
                return
            }
            var index = 0
            repeat {
                guard let (call, event) = try? Self.call(&scanner, frame, base) else { return }
                body(call, event, index)
                index += 1
            } while scanner.take(0x2C)
        }
    }

    private static func call(
        _ scanner: inout Scanner, _ frame: Frame, _ base: Int
    ) throws(JSONError) -> (Call, Event) {
        try scanner.expect(0x5B)
        scanner.skipSpace()
        let activation = try scanner.skipString().content
        try scanner.expect(0x2C)
        var key: Range<Int>?
        scanner.skipSpace()
        if scanner.position < scanner.bytes.count, scanner.bytes[scanner.position] == 0x22 {
            key = try scanner.skipString().content
        } else {
            _ = try scanner.skipValue()
        }
        try scanner.expect(0x2C)
        let attributes = try scanner.skipValue()
        try scanner.expect(0x2C)
        let kind = try scanner.integer()
        try scanner.expect(0x2C)
        let start = try scanner.integer()
        try scanner.expect(0x2C)
        let end = try scanner.integer()
        var besides: JSON?
        if scanner.take(0x2C) { besides = try scanner.value(depth: 0) }
        try scanner.expect(0x5D)
        let event = Event(
            frame: frame, attributes: attributes, dataKind: Event.DataKind(rawValue: kind) ?? .none,
            dataRange: (base + start)..<(base + max(start, end)), activation: activation)
        return (Call(frame: frame, activation: activation, key: key, besides: besides), event)
    }
}
