import CloudEvents
import Glibc
package import Logging
package import Outbound
package import Persistence
package import StorageEvents

/// Makes the running part of a specification out of what the server has.
package struct SourceFactory: Sendable {
    private let store: any StateStore
    private let host: String
    private let zones: String
    private let files: any FileAccess
    private let lineOptions: LineDecoder.Options
    private let secrets: SecretStore
    private let log: Logger

    /// - Parameters:
    ///   - host: this machine's name, for `file://<host>`.
    ///   - zones: the folder of the tz database.
    ///   - secrets: what specifications name in place of tokens and passwords.
    ///   - lineOptions: what the decoders of standard input are told, the reader of CloudEvents above all.
    package init(
        store: any StateStore, host: String = Self.hostName, zones: String = "/usr/share/zoneinfo",
        files: any FileAccess = PosixFiles(), secrets: SecretStore = .none, lineOptions: LineDecoder.Options = .init(),
        log: Logger = Logger(label: "weir.sources")
    ) {
        self.log = log
        self.secrets = secrets
        self.lineOptions = lineOptions
        self.store = store
        self.host = host
        self.zones = zones
        self.files = files
    }

    /// - Returns: `nil` for a source that has no running part.
    package func make(_ id: SourceID, _ spec: SourceSpec, _ output: SourceOutput) throws -> (any EventSource)? {
        switch spec.kind {
        case .folder(let folder):
            return FolderSource(id: id, spec: folder, host: host, output: output, store: store, files: files)
        case .dcacheBilling(let billing):
            let zone = try zone(billing.timezone)
            return BillingSource(id: id, spec: billing, output: output, store: store, files: files) { date, state in
                try BillingLineDecoder(date: date, zone: zone, state: state)
            }
        case .timer(let timer):
            return TimerSource(
                id: id, spec: timer, zone: try zone(timer.timezone), output: output, store: store)
        case .kafka(let kafka):
            return KafkaSource(
                id: id, spec: kafka, output: output, secrets: secrets, options: lineOptions, log: log)
        case .dcacheEvents(let events):
            return try DCacheEventsSource(id: id, spec: events, output: output, store: store, secrets: secrets)
        case .stdin(let format):
            guard let known = StorageEventFormat(rawValue: format) else {
                throw SourceError(.unsupported, "Lines of the format \"\(format)\" cannot be read.")
            }
            let options = lineOptions
            return StandardInputSource(id: id, output: output) { StreamedLines(known, options: options) }
        case .s3Listing(let listing):
            return try S3ListingSource(id: id, spec: listing, output: output, store: store, secrets: secrets)
        case .lines(let lines):
            var options = lineOptions
            options.zone = try zone(lines.timezone)
            return LinesSource(id: id, spec: lines, output: output, store: store, files: files, options: options)
        // What is sent to them comes by the HTTP face.
        case .http, .webhook:
            return nil
        }
    }

    /// The rules of a zone of the tz database.
    package func zone(_ name: String) throws(SourceError) -> ZoneRules {
        if name == "UTC" { return ZoneRules(offsetSeconds: 0) }
        let path = zones + "/" + name
        do {
            // The folder holds links, so the name is resolved first.
            guard let resolved = realpath(path, nil) else {
                throw SourceError(.missing, "There is no time zone \"\(name)\" in \(zones): write it as Europe/Berlin.")
            }
            defer { free(resolved) }
            let file = try files.open(String(cString: resolved))
            return try ZoneRules(tzif: try file.read(at: 0, count: 1 << 20))
        } catch let error as SourceError {
            throw error
        } catch {
            throw SourceError(.missing, "The time zone \"\(name)\" cannot be read from \(zones): \(error)")
        }
    }

    /// This machine's name.
    package static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, 255) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
