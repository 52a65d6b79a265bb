import CloudEvents
import Kafka
package import Logging
package import Outbound

/// Writes events to a Kafka topic: CloudEvents' Kafka binding, binary or structured, or what a template makes of each.
///
/// An event is delivered when the brokers have it on all replicas in sync.
package actor KafkaSink: Sink {
    private let spec: KafkaSinkSpec
    private let secrets: SecretStore
    private let namespace: String
    private let timeout: Int64
    private let log: Logger
    private var producer: KafkaProducer?
    private var isClosed = false

    package init(_ spec: KafkaSinkSpec, secrets: SecretStore, namespace: String, timeout: Int64, log: Logger) {
        self.spec = spec
        self.secrets = secrets
        self.namespace = namespace
        self.timeout = timeout
        self.log = log
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var outcomes = [DeliveryOutcome?](repeating: nil, count: parcels.count)
        var records: [KafkaOutgoing] = []
        var places: [Int] = []
        for (place, parcel) in parcels.enumerated() {
            do throws(TemplateError) {
                records.append(try record(parcel))
                places.append(place)
            } catch {
                outcomes[place] = .rejected(error.message)
            }
        }
        if !records.isEmpty {
            let producer: KafkaProducer
            do {
                producer = try connected()
            } catch {
                return parcels.map { _ in SinkAnswer(.retry("\(error)")) }
            }
            var isBroken = false
            for (place, result) in zip(places, await producer.send(records)) {
                switch result {
                case .success: outcomes[place] = .delivered
                case .failure(let error):
                    if error.code == .fatal || error.code == .closed { isBroken = true }
                    outcomes[place] = error.code == .tooLarge ? .rejected(error.message) : .retry(error.message)
                }
            }
            if isBroken, self.producer === producer {
                self.producer = nil
                await producer.close(within: 0)
            }
        }
        return outcomes.map { SinkAnswer($0 ?? .retry("the record was not sent")) }
    }

    package func close() async {
        isClosed = true
        let producer = producer
        self.producer = nil
        await producer?.close(within: 5_000)
    }

    /// The producer; made when it is first needed, and again when it broke, with the secrets as they are then.
    private func connected() throws -> KafkaProducer {
        if let producer { return producer }
        guard !isClosed else { throw KafkaError(.closed, "the sink is closed") }
        var options = KafkaProducer.Options()
        options.compression = spec.compression
        options.timeout = Int(clamping: max(1_000, timeout))
        let made = try KafkaProducer(
            try spec.cluster.settings(secrets, namespace: namespace), options: options, log: log)
        producer = made
        return made
    }

    private func record(_ parcel: Parcel) throws(TemplateError) -> KafkaOutgoing {
        var facts = EventFacts(parcel.event.event, appended: parcel.appended)
        let key: String?
        if let template = spec.key {
            key = try template.text(&facts)
        } else {
            key = facts.attribute("partitionkey")?.string
        }
        if let template = spec.document {
            return KafkaOutgoing(
                topic: spec.topic, key: key.map { Array($0.utf8) }, value: try template.value(&facts).encoded())
        }
        return KafkaEvent.record(facts.event, topic: spec.topic, key: key, isStructured: spec.mode == .structured)
    }
}

/// CloudEvents' Kafka protocol binding 1.0.2, towards Kafka.
private enum KafkaEvent {
    static func record(_ event: CloudEvent, topic: String, key: String?, isStructured: Bool) -> KafkaOutgoing {
        let key = key.map { Array($0.utf8) }
        if isStructured {
            var value: [UInt8] = []
            JSONEventFormat.encode(EventRecord(event), into: &value)
            return KafkaOutgoing(
                topic: topic, key: key, value: value,
                headers: [KafkaHeader("content-type", Array("\(JSONEventFormat.mediaType); charset=UTF-8".utf8))])
        }
        var headers: [KafkaHeader] = []
        func add(_ name: String, _ text: String?) {
            if let text { headers.append(KafkaHeader(name, Array(text.utf8))) }
        }
        add("ce_specversion", "1.0")
        add("ce_id", event.id)
        add("ce_source", event.source)
        add("ce_type", event.type)
        add("ce_subject", event.subject)
        add("ce_time", event.time?.text)
        add("ce_dataschema", event.dataschema)
        for one in event.extensions { add("ce_" + one.name, one.value.canonicalText) }
        let value: [UInt8]
        switch event.data {
        case .json(let bytes)?:
            add("content-type", event.datacontenttype ?? "application/json")
            value = bytes
        case .bytes(let bytes)?:
            add("content-type", event.datacontenttype)
            value = bytes
        // An empty value, for null would be a tombstone and remove the key in a compacted topic.
        case nil: value = []
        }
        return KafkaOutgoing(topic: topic, key: key, value: value, headers: headers)
    }
}
