import ArgumentParser
import CloudEvents
import Foundation
import StorageEvents

/// The input formats, with the short names that people type.
struct InputFormat: ExpressibleByArgument {
    let format: StorageEventFormat

    private static let aliases: [String: StorageEventFormat] = [
        "billing": .billing, "billing-text": .billingText, "billing-json": .billingJSON, "kafka": .billingJSON,
        "dcache-kafka": .billingJSON, "sse": .sse, "ce": .cloudEvents,
    ]

    init?(argument: String) {
        let name = argument.lowercased()
        guard let format = StorageEventFormat(rawValue: name) ?? InputFormat.aliases[name] else { return nil }
        self.format = format
    }

    static var allValueStrings: [String] { StorageEventFormat.allCases.map(\.rawValue) }
    static var list: String {
        StorageEventFormat.allCases.map { "\($0.rawValue): \($0.summary)" }.joined(separator: "\n")
    }
}

/// How input is to be read.
struct InputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The time zone of the billing host.", valueName: "zone")) var timezone = "UTC"
    @Option(
        help: ArgumentHelp(
            "What a subscription of an event stream watches, URL=PATH; may be given again.", valueName: "url=path"))
    var watch: [String] = []
    @Option(help: ArgumentHelp("The host of the S3 store.", valueName: "host")) var endpoint: String?
    @Option(
        help: ArgumentHelp(
            "The name of a system whose records do not tell it (Lustre, Rucio, Bluesky).", valueName: "name"))
    var system: String?

    func decoder(_ format: StorageEventFormat, file: String) throws -> LineDecoder {
        var options = LineDecoder.Options()
        options.fileName = file
        options.zone = try zone()
        options.endpoint = endpoint
        options.system = system
        for one in watch {
            guard let equals = one.lastIndex(of: "=") else { throw ValidationError("\"\(one)\" is not URL=PATH") }
            options.watches[String(one[..<equals])] = String(one[one.index(after: equals)...])
        }
        options.readCloudEvents = { bytes in
            let isBatch = bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D } == 0x5B
            return try isBatch
                ? JSONEventFormat.decodeBatch(Array(bytes)) : [JSONEventFormat.decode(Array(bytes))]
        }
        return LineDecoder(format, options: options)
    }

    private func zone() throws -> ZoneRules {
        if timezone == "UTC" { return .utc }
        guard !timezone.contains(".."), !timezone.hasPrefix("/"),
            let bytes = FileManager.default.contents(atPath: "/usr/share/zoneinfo/\(timezone)")
        else { throw ValidationError("there is no time zone \"\(timezone)\": write it as Europe/Berlin") }
        do {
            return try ZoneRules(tzif: [UInt8](bytes))
        } catch {
            throw ValidationError("the time zone \"\(timezone)\" cannot be read: \(error)")
        }
    }
}

/// Reads files or standard input in pieces through a decoder.
struct InputReader {
    let format: StorageEventFormat
    let options: InputOptions

    /// Calls `body` with what each piece gives; the file's name is `-` for standard input.
    func read(_ file: String, _ body: (DecodedBatch) async throws -> Void) async throws {
        var decoder = try options.decoder(format, file: file)
        let handle: FileHandle
        if file == "-" {
            handle = .standardInput
        } else {
            guard let opened = FileHandle(forReadingAtPath: file) else {
                throw CommandFailure(.failure, "\(file) cannot be read")
            }
            handle = opened
        }
        var batch = DecodedBatch()
        while case let piece = handle.readData(ofLength: 1 << 18), !piece.isEmpty {
            Array(piece).withUnsafeBytes { decoder.feed($0, into: &batch) }
            try await body(batch)
            batch.removeAll()
        }
        decoder.finish(into: &batch)
        try await body(batch)
    }
}

/// `weir decode`: shows what a producer's records mean, without a server.
struct Decode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decode storage records to CloudEvents.",
        discussion: """
            One CloudEvent a line on standard output; what cannot be read, with its place and the reason, on standard \
            error, and then the command ends with status 2. Formats:

            \(InputFormat.list)
            """)
    @Option(help: ArgumentHelp("The format of the input.", valueName: "format")) var from: InputFormat
    @OptionGroup var input: InputOptions
    @Argument(help: "Files; standard input when none is named.", completion: .file()) var files: [String] = []

    func run() async throws {
        let terminal = Terminal()
        var failures = 0
        let reader = InputReader(format: from.format, options: input)
        for file in files.isEmpty ? ["-"] : files {
            try await reader.read(file) { batch in
                var out: [UInt8] = []
                for record in batch.records {
                    JSONEventFormat.encode(record, into: &out)
                    out.append(0x0A)
                }
                terminal.write(bytes: out)
                for failure in batch.failures { terminal.note("\(file): \(failure)") }
                failures += batch.failures.count
            }
        }
        if failures > 0 { throw ExitStatus.partial.code }
    }
}
