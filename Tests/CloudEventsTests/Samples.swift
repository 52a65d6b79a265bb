import CloudEvents

/// Events for tests.
enum Samples {
    /// The smallest valid event, with what the arguments add.
    static func event(
        id: String = "myId", source: String = "http://localhost/source", type: String = "myType",
        subject: String? = nil, extensions: [CloudEvent.Extension] = [], data: CloudEvent.Payload? = nil
    ) -> CloudEvent {
        CloudEvent(id: id, source: source, type: type, subject: subject, extensions: extensions, data: data)
    }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// The JSON text of an event with `members` after the required ones.
    static func json(_ members: String = "") -> [UInt8] {
        bytes(#"{"specversion":"1.0","id":"1","source":"/s","type":"t"\#(members.isEmpty ? "" : "," + members)}"#)
    }

    static func encoded(_ record: EventRecord) -> String {
        var out: [UInt8] = []
        JSONEventFormat.encode(record, into: &out)
        return String(decoding: out, as: UTF8.self)
    }

    /// The error of `body`, `nil` when it throws none.
    static func error<Failure: Error>(_ body: () throws(Failure) -> Void) -> Failure? {
        do throws(Failure) {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
