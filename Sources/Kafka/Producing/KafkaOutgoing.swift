/// One record to be written.
package struct KafkaOutgoing: Sendable, Hashable {
    package var topic: String
    /// `nil`: by the key, as Kafka's own clients choose (murmur2); without a key any.
    package var partition: Int32?
    package var key: [UInt8]?
    /// `nil` is a tombstone: in a compacted topic it removes the key.
    package var value: [UInt8]?
    package var headers: [KafkaHeader]
    /// Milliseconds since 1970; `nil`: now.
    package var timestamp: Int64?

    package init(
        topic: String, partition: Int32? = nil, key: [UInt8]? = nil, value: [UInt8]?, headers: [KafkaHeader] = [],
        timestamp: Int64? = nil
    ) {
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
    }
}

/// Where a record was written.
package struct KafkaPlace: Sendable, Hashable {
    package var partition: Int32
    package var offset: Int64

    package init(partition: Int32, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }
}
