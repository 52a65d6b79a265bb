import CKafka

/// One record of a topic, copied out.
package struct KafkaMessage: Sendable, Hashable {
    package var topic: String
    package var partition: Int32
    package var offset: Int64
    /// Milliseconds since 1970; `nil` when the record has none.
    package var timestamp: Int64?
    /// Whether the broker set the time when it took the record; else it is the producer's.
    package var isLogAppendTime: Bool
    package var key: [UInt8]?
    /// `nil` is a tombstone.
    package var value: [UInt8]?
    package var headers: [KafkaHeader]

    package init(
        topic: String, partition: Int32, offset: Int64, timestamp: Int64? = nil, isLogAppendTime: Bool = false,
        key: [UInt8]? = nil, value: [UInt8]?, headers: [KafkaHeader] = []
    ) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.isLogAppendTime = isLogAppendTime
        self.key = key
        self.value = value
        self.headers = headers
    }
}

/// A name and a value beside a record; names may stand more than once.
package struct KafkaHeader: Sendable, Hashable {
    package var name: String
    package var value: [UInt8]?

    package init(_ name: String, _ value: [UInt8]?) {
        self.name = name
        self.value = value
    }
}

/// A message as librdkafka gives it: nothing copied, valid as long as the message is.
package struct KafkaMessageView {
    private let message: UnsafePointer<rd_kafka_message_t>

    init(_ message: UnsafePointer<rd_kafka_message_t>) { self.message = message }

    package var partition: Int32 { message.pointee.partition }
    package var offset: Int64 { message.pointee.offset }
    package var topic: String { String(cString: rd_kafka_topic_name(message.pointee.rkt)) }

    package var key: UnsafeRawBufferPointer? {
        message.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.key_len) }
    }

    /// `nil` is a tombstone.
    package var value: UnsafeRawBufferPointer? {
        message.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.len) }
    }

    package var timestamp: (milliseconds: Int64, isLogAppendTime: Bool)? {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = rd_kafka_message_timestamp(message, &kind)
        guard time >= 0, kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE else { return nil }
        return (time, kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME)
    }

    /// Calls `body` with each header in turn.
    package func forEachHeader(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> Void) {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        var index = 0
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            index += 1
            guard let name else { continue }
            body(
                UnsafeRawBufferPointer(start: name, count: strlen(name)),
                value.map { UnsafeRawBufferPointer(start: $0, count: size) })
        }
    }

    /// A copy, to keep.
    package var copy: KafkaMessage {
        let time = timestamp
        var headers: [KafkaHeader] = []
        forEachHeader { headers.append(KafkaHeader(String(decoding: $0, as: UTF8.self), $1.map { Array($0) })) }
        return KafkaMessage(
            topic: topic, partition: partition, offset: offset, timestamp: time?.milliseconds,
            isLogAppendTime: time?.isLogAppendTime ?? false, key: key.map { Array($0) }, value: value.map { Array($0) },
            headers: headers)
    }
}
