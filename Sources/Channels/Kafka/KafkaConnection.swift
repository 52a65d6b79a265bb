import Kafka
import Logging
import Synchronization

/// The clients of one cluster, shared by all channels on it, each made when it is first needed.
final class KafkaConnection: Sendable {
    private struct State {
        var producer: KafkaProducer?
        var readers: [KafkaReader] = []
        var scanner: KafkaReader?
        var admin: KafkaAdmin?
        var group: KafkaGroup?
        var isClosed = false
    }

    let settings: KafkaSettings
    let options: KafkaStore.Options
    let log: Logger
    private let state = Mutex(State())

    /// How many places of one partition can be read from at the same time without beginning anew each time.
    static let readerCount = 4

    init(_ settings: KafkaSettings, options: KafkaStore.Options, log: Logger) {
        self.settings = settings
        self.options = options
        self.log = log
    }

    /// The largest record that the client takes, in bytes.
    var largestRecord: Int { settings["message.max.bytes"].flatMap { Int($0) } ?? 1_000_000 }

    /// The producer; another one when the last has failed for good.
    func producer() throws(KafkaError) -> KafkaProducer {
        let result = state.withLock { state -> Result<KafkaProducer, KafkaError> in
            if let known = state.producer, known.failure?.code != .fatal { return .success(known) }
            if let old = state.producer {
                log.warning("Kafka's producer is made anew", metadata: ["error": "\(old.failure?.message ?? "")"])
                // What it still has would come after what the next one writes.
                old.purge()
            }
            return Self.make(&state) { () throws(KafkaError) in
                var producing = KafkaProducer.Options()
                // A record waits as long as it takes: a later one would overtake it otherwise, and who asks again would
                // not know whether it is there. Who waits for it has a deadline of its own.
                producing.timeout = 0
                producing.outstandingBytes = options.outstandingBytes
                return try KafkaProducer(settings, options: producing, log: log)
            } keep: {
                $0.producer = $1
            }
        }
        return try result.get()
    }

    /// One of ``readerCount`` clients that read.
    func reader(_ index: Int) throws(KafkaError) -> KafkaReader {
        let result = state.withLock { state -> Result<KafkaReader, KafkaError> in
            while !state.isClosed, state.readers.count <= index {
                do throws(KafkaError) {
                    state.readers.append(try KafkaReader(settings, log: log))
                } catch {
                    return .failure(error)
                }
            }
            return state.isClosed ? .failure(Self.closed) : .success(state.readers[index])
        }
        return try result.get()
    }

    /// The client for reading to an end that is asked for: it does not hold answers back.
    func scanner() throws(KafkaError) -> KafkaReader {
        let result = state.withLock { state -> Result<KafkaReader, KafkaError> in
            if let known = state.scanner { return .success(known) }
            return Self.make(&state) { () throws(KafkaError) in
                var reading = KafkaReader.Options()
                reading.wait = 10
                return try KafkaReader(settings, options: reading, log: log)
            } keep: {
                $0.scanner = $1
            }
        }
        return try result.get()
    }

    /// Where a partition begins and ends, as its leader says; one that is just moving is waited for.
    ///
    /// - Parameter awaitsTopic: whether a topic that the brokers do not know yet is waited for, too.
    func bounds(_ partition: TopicPartition, awaitsTopic: Bool = false) async throws(KafkaError) -> Range<Int64> {
        let deadline = ContinuousClock.now + .milliseconds(options.timeout)
        while true {
            do throws(KafkaError) {
                return try await scanner().bounds(partition, timeout: options.timeout)
            } catch {
                guard error.isRetriable || awaitsTopic && error.code == .unknownTopic, ContinuousClock.now < deadline,
                    !Task.isCancelled
                else { throw error }
                // Who leads is told by nobody; librdkafka asks again after such an answer.
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    func admin() throws(KafkaError) -> KafkaAdmin {
        let result = state.withLock { state -> Result<KafkaAdmin, KafkaError> in
            if let known = state.admin { return .success(known) }
            return Self.make(&state) { () throws(KafkaError) in
                try KafkaAdmin(settings, timeout: options.timeout, log: log)
            } keep: {
                $0.admin = $1
            }
        }
        return try result.get()
    }

    /// The group of servers that share the channels of this cluster.
    func group() throws(KafkaError) -> KafkaGroup {
        let result = state.withLock { state -> Result<KafkaGroup, KafkaError> in
            if let known = state.group { return .success(known) }
            return Self.make(&state) { () throws(KafkaError) in
                try KafkaGroup(self, name: options.group)
            } keep: {
                $0.group = $1
            }
        }
        return try result.get()
    }

    private static var closed: KafkaError { KafkaError(.closed, "the Kafka channels are being closed") }

    private static func make<Value>(
        _ state: inout State, _ body: () throws(KafkaError) -> Value, keep: (inout State, Value) -> Void
    ) -> Result<Value, KafkaError> {
        guard !state.isClosed else { return .failure(closed) }
        do throws(KafkaError) {
            let value = try body()
            keep(&state, value)
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    /// Gives up what is queued for writing: somebody else does that work by now.
    func purge() { state.withLock { $0.producer }?.purge() }

    /// Ends all clients; what is queued for writing has so many milliseconds.
    func close(within milliseconds: Int64) async {
        let old = state.withLock { state in
            state.isClosed = true
            defer {
                state.readers = []
                (state.producer, state.scanner, state.admin, state.group) = (nil, nil, nil, nil)
            }
            return state
        }
        await old.group?.close()
        await old.producer?.close(within: milliseconds)
        for reader in old.readers { await reader.close() }
        await old.scanner?.close()
        await old.admin?.close()
    }
}
