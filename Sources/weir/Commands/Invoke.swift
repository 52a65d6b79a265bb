import ArgumentParser
import CloudEvents
import Foundation
import NIOCore

/// `weir invoke`: runs a function now and shows what came out.
struct Invoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a function now.",
        discussion: "Ends with status 10 when the function ran and failed.")
    @Argument(help: "The function.") var function: String
    @Option(
        name: [.customShort("p"), .long],
        help: ArgumentHelp("An argument, NAME=VALUE; JSON where it is JSON.", valueName: "name=value"))
    var param: [String] = []
    @Option(name: .long, help: ArgumentHelp("Arguments as a JSON object; - reads standard input.", valueName: "json"))
    var args: String?
    @Option(
        name: .long, help: ArgumentHelp("A CloudEvent in JSON, from a file; - reads standard input.", valueName: "file")
    )
    var event: String?
    @Flag(name: .long, help: "Do not wait for the end.") var noWait = false
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        let (type, body) = try input()
        try await APIClient.with(options) { api in
            let answer = try await api.call(
                "POST", Kind.functions.path(function) + "/invoke", [("blocking", noWait ? "false" : "true")],
                headers: [("Content-Type", type)], body: body, timeout: .hours(2)
            ).json()
            if options.output == .json {
                terminal.line(answer.prettyText())
            } else if noWait {
                terminal.line("activation \(answer["activationId"]?.string ?? "?")")
            } else {
                ActivationText.write(answer, terminal)
            }
            let status = answer["status"]?.string ?? "success"
            if !noWait, status != "success" { throw ExitStatus.activationFailed.code }
        }
    }

    private func input() throws -> (String, [UInt8]) {
        if let event {
            guard args == nil, param.isEmpty else { throw ValidationError("give either --event or arguments") }
            return ("application/cloudevents+json", try InputFile.read(event))
        }
        var arguments = JSONObject()
        if let args {
            let text = args == "-" ? try InputFile.read("-") : Array(args.utf8)
            do {
                guard case .object(let object) = try JSONValue(parsing: text) else {
                    throw ValidationError("--args must be a JSON object")
                }
                arguments = object
            } catch let error as JSONError {
                throw ValidationError("--args is \(error)")
            }
        }
        for one in param {
            guard let equals = one.firstIndex(of: "=") else { throw ValidationError("\"\(one)\" is not NAME=VALUE") }
            let text = String(one[one.index(after: equals)...])
            arguments[String(one[..<equals])] = (try? JSONValue(parsing: text)) ?? .string(text)
        }
        return ("application/json", JSONValue.object(arguments).encoded())
    }
}

/// Reads a whole file or, for `-`, standard input.
enum InputFile {
    static func read(_ path: String) throws -> [UInt8] {
        if path == "-" { return Array(FileHandle.standardInput.readDataToEndOfFile()) }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure(.failure, "\(path) cannot be read")
        }
        return Array(data)
    }
}
