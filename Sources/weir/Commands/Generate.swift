import ArgumentParser
import CloudEvents
import Foundation
import Glibc
import StorageEvents

/// `weir generate`: sample input in a producer's exact format, for trying things out.
struct Generate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write sample storage records, to try things out.", subcommands: [GenerateBilling.self])
}

/// `weir generate billing`: a dCache billing directory, written as dCache writes it.
struct GenerateBilling: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "billing", abstract: "Write a dCache billing file in dCache's default formats.",
        discussion: """
            The file is DIRECTORY/YYYY/MM/billing-YYYY.MM.DD of the local time in --timezone. Each record is one \
            open, append, close, as dCache does it. The same seed gives the same records.
            """)
    @Option(help: ArgumentHelp("The billing directory.", valueName: "folder"), completion: .directory) var directory:
        String
    @Option(help: "How many records.") var records = 1000
    @Option(help: "Records a second; as fast as it goes when not given.") var rate: Double?
    @Option(help: "Which records.") var seed: UInt64 = 1
    @Option(help: ArgumentHelp("The time zone of the billing host.", valueName: "zone")) var timezone = "UTC"
    @Flag(help: "Go on with a file that is there: no header lines.") var append = false
    @Option(help: ArgumentHelp("Write the transferred bytes by pool to this file, as JSON.", valueName: "file"))
    var sums: String?

    func run() async throws {
        guard let zone = TimeZone(identifier: timezone) else {
            throw ValidationError("\"\(timezone)\" is no time zone")
        }
        guard records > 0, rate.map({ $0 > 0 }) ?? true else { throw ValidationError("records and rate are above 0") }
        let now = Date()
        let local = Int64(now.timeIntervalSince1970) + Int64(zone.secondsFromGMT(for: now))
        var generator = BillingGenerator(seed: seed, start: local)
        let name = generator.fileName
        let parts = name.dropFirst("billing-".count).split(separator: ".")
        let folder = "\(directory)/\(parts[0])/\(parts[1])"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(.failure, "\(folder) cannot be made: \(error.localizedDescription)")
        }
        let path = "\(folder)/\(name)"
        if !append { try write(BillingGenerator.headerLines, to: path) }
        let start = ContinuousClock.now
        while generator.recordCount < records {
            if let rate {
                // The pace that was asked for.
                try await Task.sleep(until: start + .seconds(Double(generator.recordCount) / rate), clock: .continuous)
                for line in generator.next() { try write([line], to: path) }
            } else {
                var lines: [String] = []
                while lines.count < 500, generator.recordCount < records { lines += generator.next() }
                try write(lines, to: path)
            }
        }
        if let sums {
            let pools = generator.bytesByPool.sorted { $0.key < $1.key }
            let document = JSONObject(members: pools.map { .init(name: $0.key, value: .integer($0.value)) })
            try Data(JSONValue.object(document).prettyText().utf8).write(to: URL(fileURLWithPath: sums))
        }
    }

    /// One open, append, close.
    private func write(_ lines: [String], to path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw CommandFailure(.failure, "\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        guard count == bytes.count else { throw CommandFailure(.failure, "\(path) could not be written whole") }
    }
}
