internal import CloudEvents

/// Writes what a runner is sent: see `Runtimes/python/runner.py` for the format.
///
/// An event's attributes become JSON; its data travels behind the head as the bytes that they are, so that a handler
/// that does not look at the data pays nothing for it.
struct CallFrame: ~Copyable {
    private var head: [UInt8] = []
    private var data: [UInt8] = []
    private(set) var count = 0

    init(number: Int, capacity: Int) {
        head.reserveCapacity(capacity)
        head.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0, 0x5B])
        head.appendDecimal(number)
        head.append(contentsOf: [0x2C, 0x5B])
    }

    /// Bytes so far.
    var size: Int { head.count + data.count }

    /// - Parameter deadline: when the call is given up, for a handler that is given the variables of its call.
    mutating func add(_ call: borrowing FunctionCall, id: String, deadline: Int64? = nil) {
        if count > 0 { head.append(0x2C) }
        count += 1
        head.append(0x5B)
        head.appendQuoted(id)
        head.append(0x2C)
        if let key = call.idempotencyKey { JSONWriter.string(key, into: &head) } else { head.appendText("null") }
        head.append(0x2C)
        switch call.input {
        case .event(let record):
            let kind = record.withView { view -> DataKind in
                view.writeAttributes(into: &head)
                let start = data.count
                data.append(contentsOf: view.data)
                head.append(0x2C)
                head.appendDecimal(Int(view.dataKind.rawValue))
                head.append(0x2C)
                head.appendDecimal(start)
                return view.dataKind
            }
            head.append(0x2C)
            head.appendDecimal(kind == .none ? 0 : data.count)
        case .arguments(let object):
            JSONValue.object(object).write(into: &head)
            head.appendText(",-1,0,0")
        case .list(let items):
            JSONValue.array(items).write(into: &head)
            head.appendText(",-1,0,0")
        }
        // The seventh member, when there is something to lay beside the call.
        let environment = deadline == nil ? nil : call.environment
        let more = call.files?.document?.members ?? []
        if environment != nil || !more.isEmpty {
            head.append(0x2C)
            head.append(0x7B)
            for (index, member) in more.enumerated() {
                if index > 0 { head.append(0x2C) }
                JSONWriter.string(member.name, into: &head)
                head.append(0x3A)
                member.value.write(into: &head)
            }
            if let deadline, let environment {
                head.appendText(more.isEmpty ? "\"environment\":" : ",\"environment\":")
                head.append(contentsOf: environment.dropLast())
                head.appendText(environment.count > 2 ? ",\"__OW_ACTIVATION_ID\":" : "\"__OW_ACTIVATION_ID\":")
                head.appendQuoted(id)
                head.appendText(",\"__OW_DEADLINE\":\"")
                head.appendDecimal(Int(deadline))
                head.appendText("\"}")
            }
            head.append(0x7D)
        }
        head.append(0x5D)
    }

    /// The whole frame, lengths included.
    ///
    /// - Parameter function: which of a shared worker's functions the calls are for.
    consuming func finish(function: Int? = nil) -> [UInt8] {
        head.append(0x5D)
        if let function {
            head.append(0x2C)
            head.appendDecimal(function)
        }
        head.append(0x5D)
        head.put(UInt32(head.count - 8), at: 4)
        head.append(contentsOf: data)
        head.put(UInt32(head.count - 4), at: 0)
        return head
    }

    /// A frame that holds a JSON head, and bytes behind it.
    static func message(_ value: JSONValue, data: [UInt8] = []) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
        value.write(into: &bytes)
        bytes.put(UInt32(bytes.count - 8), at: 4)
        bytes.append(contentsOf: data)
        bytes.put(UInt32(bytes.count - 4), at: 0)
        return bytes
    }
}

extension EventView {
    /// Appends the context attributes as one JSON object, `specversion` first.
    func writeAttributes(into out: inout [UInt8]) {
        out.appendText("{\"specversion\":\"1.0\"")
        forEachAttribute { name, kind, value in
            out.append(0x2C)
            out.append(0x22)
            out.append(contentsOf: name)
            out.append(0x22)
            out.append(0x3A)
            switch kind {
            case .boolean, .integer: out.append(contentsOf: value)
            case .binary: JSONWriter.string(Base64.encode(value), into: &out)
            default: JSONWriter.string(value, into: &out)
            }
        }
        out.append(0x7D)
    }
}

extension [UInt8] {
    mutating func appendText(_ text: StaticString) {
        append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func appendDecimal(_ value: Int) {
        if value < 10, value >= 0 {
            append(48 + UInt8(value))
            return
        }
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        Swift.withUnsafeMutableBytes(of: &digits) { buffer in
            var position = buffer.count
            var rest = value.magnitude
            repeat {
                position -= 1
                buffer[position] = 48 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 {
                position -= 1
                buffer[position] = 0x2D
            }
            append(contentsOf: buffer[position...])
        }
    }

    /// Appends text that is known to need no escapes, quoted.
    mutating func appendQuoted(_ text: String) {
        append(0x22)
        var text = text
        text.withUTF8 { append(contentsOf: $0) }
        append(0x22)
    }

    mutating func put(_ value: UInt32, at index: Int) {
        for shift in 0..<4 { self[index + shift] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(shift))) }
    }
}
