import CKafka

/// One event of a client's queue; valid during the call that it is handed to.
struct KafkaEvent {
    let pointer: OpaquePointer
    let type: Int32

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
        type = rd_kafka_event_type(pointer)
    }

    var error: rd_kafka_resp_err_t { rd_kafka_event_error(pointer) }

    var errorText: String { rd_kafka_event_error_string(pointer).map { String(cString: $0) } ?? "" }

    var partitions: [TopicPartition] {
        guard let list = rd_kafka_event_topic_partition_list(pointer) else { return [] }
        return PartitionList.read(list).map(\.partition)
    }
}
