internal import CloudEvents
internal import Functions

/// The line that a program of the runtime `executable` reads.
enum ProgramLine {
    /// `{"activationId":…,"deadline":…,"idempotencyKey":…,"event":{…}}`, or `"args"` in the place of the event.
    static func encode(_ call: FunctionCall, version: FunctionVersion, id: String, now: Int64) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(1024)
        out.appendText("{\"activationId\":")
        out.appendQuoted(id)
        out.appendText(",\"deadline\":")
        out.appendDecimal(Int(now + version.limits.timeout))
        if let key = call.idempotencyKey {
            out.appendText(",\"idempotencyKey\":")
            JSONWriter.string(key, into: &out)
        }
        if let files = call.files?.document {
            for member in files.members {
                out.append(0x2C)
                JSONWriter.string(member.name, into: &out)
                out.append(0x3A)
                member.value.write(into: &out)
            }
        }
        switch call.input {
        case .event(let record):
            if !version.parameters.isEmpty {
                out.appendText(",\"params\":")
                JSONValue.object(version.parameters).write(into: &out)
            }
            out.appendText(",\"event\":")
            let start = out.count
            record.withView { JSONEventEncoder.write($0, into: &out) }
            // One line is one message: the data's own text may hold ends of line between its tokens (in strings they are
            // escaped).
            for index in start..<out.count where out[index] == 0x0A || out[index] == 0x0D { out[index] = 0x20 }
        case .arguments(let arguments):
            var whole = version.parameters
            for member in arguments.members { whole[member.name] = member.value }
            out.appendText(",\"args\":")
            JSONValue.object(whole).write(into: &out)
        case .list(let items):
            out.appendText(",\"args\":")
            JSONValue.array(items).write(into: &out)
        }
        out.appendText("}\n")
        return out
    }
}
