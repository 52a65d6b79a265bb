import Crypto
package import CloudEvents
package import Invocation

/// Gives events that came of events their ids and their causes.
///
/// Ids are derived, so that a second run at the same event makes the same ids and the channel drops them.
package enum Lineage {
    static let maximumChain = 4096

    /// 32 hexadecimal digits of SHA-256 over the parts, each with its length before it.
    package static func id(_ parts: String...) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(parts.reduce(0) { $0 + $1.utf8.count + 8 })
        for part in parts {
            withUnsafeBytes(of: UInt64(part.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: part.utf8)
        }
        let digits: StaticString = "0123456789abcdef"
        return SHA256.hash(data: bytes).withUnsafeBytes { hash in
            String(unsafeUninitializedCapacity: 32) { text in
                for index in 0..<16 {
                    text[2 * index] = digits.utf8Start[Int(hash[index] >> 4)]
                    text[2 * index + 1] = digits.utf8Start[Int(hash[index] & 15)]
                }
                return 32
            }
        }
    }

    /// How many causes an event has behind it; 0 when it does not say.
    package static func depth(of view: EventView) -> Int {
        guard let text = view.attribute("weirdepth") else { return 0 }
        return max(0, Int(String(decoding: text, as: UTF8.self)) ?? 0)
    }

    /// Says what caused the event: one deeper, with the cause and the chain of causes written out.
    static func mark(_ event: inout CloudEvent, causedBy cause: EventView) {
        let id = cause.string("id") ?? ""
        event["weirdepth"] = .integer(Int32(clamping: depth(of: cause) + 1))
        event["weircause"] = .string(id)
        let chain = cause.string("weirchain").map { $0 + " " + id } ?? id
        event["weirchain"] = .string(String(chain.suffix(maximumChain)))
    }

    /// The events that a function published for one event, made whole.
    package static func replies(
        _ published: [Activation.Published], to cause: EventRecord, by function: FunctionReference, time: Int64
    ) -> [EventRecord] {
        cause.withView { view in
            let source = view.string("source") ?? ""
            let id = view.string("id") ?? ""
            return published.enumerated().map { index, one in
                var event = CloudEvent(
                    id: one.id
                        ?? Lineage.id(
                            "reply", source, id, function.namespace, function.name, function.version ?? "",
                            String(index)),
                    source: one.source ?? "weir://\(function.namespace)/\(function.name)", type: one.type,
                    subject: one.subject, time: EventTime(nanoseconds: time &* 1_000_000),
                    datacontenttype: one.datacontenttype, extensions: one.extensions, data: one.data)
                mark(&event, causedBy: view)
                return EventRecord(event)
            }
        }
    }

    /// A copy of the event for the dead-letter channel, with why and whence.
    package static func deadLetter(
        _ record: EventRecord, subscription: String, channel: String, partition: Int, offset: UInt64, attempts: Int,
        reason: DeadLetterReason
    ) -> EventRecord {
        record.withView { view in
            var event = view.event
            let original = event.id
            event.id = id("deadletter", subscription, channel, event.source, original)
            event["weirdlid"] = .string(original)
            event["weirdlreason"] = .string(reason.code)
            event["weirdlerror"] = reason.detail.map { .string(clean($0)) }
            event["weirdlsubscription"] = .string(subscription)
            event["weirdlattempts"] = .integer(Int32(clamping: attempts))
            event["weirdlchannel"] = .string(channel)
            event["weirdlpartition"] = .integer(Int32(clamping: partition))
            event["weirdloffset"] = .string(String(offset))
            if case .loop = reason {
                let chain = view.string("weirchain").map { $0 + " " + original } ?? original
                event["weirchain"] = .string(String(chain.suffix(maximumChain)))
            }
            return EventRecord(event)
        }
    }

    /// An attribute value has no control characters (CloudEvents 1.0.2 §3.3) and should stay short.
    private static func clean(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(1024).map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 })
        )
    }
}
