import CloudEvents
import Invocation

extension EventPage {
    /// The page as JSON, the events' bytes written once and never parsed.
    func encoded() -> [UInt8] {
        var out: [UInt8] = []
        out.append(contentsOf: "{\"items\":[".utf8)
        for (index, event) in events.enumerated() {
            if index > 0 { out.append(0x2C) }
            out.append(contentsOf: "{\"partition\":\(event.partition),\"offset\":\(event.offset),\"appended\":".utf8)
            Activation.time(event.appended).write(into: &out)
            out.append(contentsOf: ",\"event\":".utf8)
            JSONEventFormat.encode(event.record, into: &out)
            out.append(0x7D)
        }
        out.append(contentsOf: "],\"next\":\"\(position.text)\",\"end\":\(isAtEnd)".utf8)
        if !gaps.isEmpty {
            out.append(contentsOf: ",\"gaps\":".utf8)
            JSONValue.array(gaps.map { .object($0.document) }).write(into: &out)
        }
        out.append(0x7D)
        return out
    }
}
