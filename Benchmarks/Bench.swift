import ArgumentParser
import Foundation

/// Prints each figure beside its floor, measured in the same run; see `script/bench`.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure Weir, each figure beside its floor from the same run.")

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case append, replay, routing, decode, functions, warm, openwhisk, intake, cold, density, kafka
    }

    @Argument(help: "Which parts; all of them but density (minutes) when none is named.") var parts: [Part] = []
    @Option(name: [.customShort("o"), .customLong("output")], help: "table or json.") var output = "table"
    @Option(help: ArgumentHelp("Where to write; on the disk to be measured.", valueName: "folder")) var directory:
        String?

    func run() async throws {
        guard ["table", "json"].contains(output) else { throw ValidationError("-o takes table or json") }
        let report = Report(asJSON: output == "json")
        let room = (directory ?? FileManager.default.currentDirectoryPath + "/.build") + "/bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: room, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: room) }
        let usual = Part.allCases.filter { $0 != .density }
        for part in parts.isEmpty ? usual : parts {
            switch part {
            case .append: try await AppendRows.run(report, directory: room)
            case .replay: try await ReplayRows.run(report, directory: room)
            case .routing: RoutingRows.run(report)
            case .decode: try DecodeRows.run(report, directory: room)
            case .functions: try await FunctionRows.run(report, directory: room)
            case .warm: try await WarmRows.run(report, directory: room)
            case .openwhisk: try await OpenWhiskRows.run(report, directory: room)
            case .cold: try await ColdRows.run(report, directory: room)
            case .density: try await DensityRows.run(report, directory: room)
            case .intake: try await IntakeRows.run(report, directory: room)
            case .kafka: try await KafkaRows.run(report, directory: room)
            }
        }
        report.finish()
    }
}
