import CKafka

/// A partition of a topic.
package struct TopicPartition: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var topic: String
    package var partition: Int32

    package init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    package var description: String { "\(topic)/\(partition)" }

    package static func < (a: TopicPartition, b: TopicPartition) -> Bool {
        (a.topic, a.partition) < (b.topic, b.partition)
    }
}

/// librdkafka's list of partitions, owned.
struct PartitionList: ~Copyable {
    struct Element {
        var partition: TopicPartition
        var offset: Int64
        var error: rd_kafka_resp_err_t
    }

    let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(capacity: Int = 8) { pointer = rd_kafka_topic_partition_list_new(Int32(capacity)) }

    init(_ partitions: some Sequence<TopicPartition>, offset: Int64? = nil) {
        self.init()
        for one in partitions { add(one, offset: offset) }
    }

    init(_ offsets: [TopicPartition: Int64]) {
        self.init(capacity: offsets.count)
        for (partition, offset) in offsets { add(partition, offset: offset) }
    }

    deinit { rd_kafka_topic_partition_list_destroy(pointer) }

    func add(_ partition: TopicPartition, offset: Int64? = nil) {
        let element = rd_kafka_topic_partition_list_add(pointer, partition.topic, partition.partition)
        if let offset { element?.pointee.offset = offset }
    }

    var elements: [Element] { Self.read(pointer) }

    static func read(_ list: UnsafePointer<rd_kafka_topic_partition_list_t>) -> [Element] {
        (0..<list.pointee.cnt).compactMap { index in
            guard let one = weir_kafka_element(list, index)?.pointee, let topic = one.topic else { return nil }
            return Element(
                partition: TopicPartition(String(cString: topic), one.partition), offset: one.offset, error: one.err)
        }
    }
}
