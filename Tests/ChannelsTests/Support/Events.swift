import Channels
import CloudEvents
import Logging

/// An event whose data is `size` bytes long.
func event(
    _ id: String, source: String = "file://host", subject: String? = nil, key: String? = nil, size: Int = 0
) -> EventRecord {
    var event = CloudEvent(id: id, source: source, type: "dev.weir.file.written")
    event.subject = subject
    if let key { event.extensions.append(.init(name: "partitionkey", value: .string(key))) }
    if size > 0 { event.data = .bytes([UInt8](repeating: UInt8(truncatingIfNeeded: id.hashValue), count: size)) }
    return EventRecord(event)
}

/// Events with ids `prefix-0`, `prefix-1` …
func events(_ count: Int, _ prefix: String = "e", subject: String? = nil, size: Int = 0) -> [EventRecord] {
    (0..<count).map { event("\(prefix)-\($0)", subject: subject, size: size) }
}

func quietLogger() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

/// What reading a partition from an offset to its end brings.
struct Reading {
    var records: [(offset: UInt64, id: String)] = []
    var gaps: [RecordBatch.Gap] = []

    var ids: [String] { records.map(\.id) }
}

extension Channel {
    func readAll(
        _ partition: Int = 0, from start: UInt64 = 0, limit: ReadLimit = ReadLimit()
    ) async throws -> Reading {
        var reading = Reading()
        var offset = start
        while true {
            let batch = try await read(partition: partition, from: offset, limit: limit)
            for (index, entry) in batch.entries.enumerated() {
                reading.records.append((entry.offset, batch.withView(at: index) { $0.string("id") ?? "" }))
            }
            reading.gaps += batch.gaps
            if batch.nextOffset == offset { return reading }
            offset = batch.nextOffset
        }
    }
}
