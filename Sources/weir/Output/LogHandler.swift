import CloudEvents
import Foundation
import Glibc
import Logging

/// One line a record on standard error: time, level, message, then the facts as `key=value`.
struct LogHandler: Logging.LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = EventTime(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9) / 1_000_000 * 1_000_000).text
        var line = "\(time) \(event.level.rawValue) \(event.message)"
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(LogHandler.quoted("\(value)"))" }
        // What comes from outside must not look like a record of its own.
        let bytes = line.utf8.map { $0 < 0x20 ? 0x20 : $0 } + [0x0A]
        bytes.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private static func quoted(_ value: String) -> String {
        value.utf8.contains { $0 <= 0x20 || $0 == 0x22 || $0 == 0x3D } ? JSONValue.string(value).text : value
    }
}
