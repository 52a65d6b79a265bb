import ArgumentParser
import CloudEvents
import Foundation
import NIOCore
import Manifest

/// `weir apply`: makes the server hold what a manifest says, again and again.
struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the server hold what a manifest says.",
        discussion: """
            Applying the same manifest again changes nothing. What a manifest no longer names stays; `weir delete` \
            removes it. --dry-run shows what would change and changes nothing.
            """)
    @Option(
        name: [.customShort("f"), .long],
        help: ArgumentHelp("The manifest; - reads standard input.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var file = "weir.yaml"
    @Flag(name: .long, help: "Only show what would change.") var dryRun = false
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        let manifest: ManifestDocument
        do {
            let shown = file == "-" ? "standard input" : file
            manifest = try ManifestDocument(parsing: try InputFile.read(file), file: shown)
        } catch let error as ManifestError {
            throw CommandFailure(.invalid, error.description)
        }
        var options = options
        options.namespace = options.namespace ?? manifest.namespace
        let applied = options
        try await APIClient.with(applied) { api in
            try await Applying(manifest: manifest, isDryRun: dryRun, api: api, terminal: terminal).run(applied.output)
        }
    }
}

/// One run of `apply` against one server.
private struct Applying: Sendable {
    let manifest: ManifestDocument
    let isDryRun: Bool
    let api: APIClient
    let terminal: Terminal

    func run(_ output: OutputFormat) async throws {
        try await warn()
        var outcomes: [JSONValue] = []
        for resource in manifest.resources {
            let answer = try await put(resource)
            outcomes.append(
                .object([
                    "kind": .string(resource.section.kind), "name": .string(resource.name),
                    "outcome": answer["outcome"] ?? .null, "changes": answer["changes"] ?? [],
                ]))
            if output == .table { show(resource, answer) }
        }
        if output == .json { terminal.line(JSONValue.array(outcomes).prettyText()) }
        if output == .table, isDryRun { terminal.note("nothing was changed (--dry-run)") }
    }

    /// Names that nobody knows are no error: they may come with the next manifest.
    private func warn() async throws {
        var known: [ManifestSection: Set<String>] = [:]
        for section in Set(manifest.references.map(\.section)) {
            known[section] = Set(try await api.list("/v1/\(section.rawValue)").compactMap { $0["name"]?.string })
        }
        for warning in manifest.warnings(server: known) {
            terminal.note("\(terminal.paint("warning", .yellow)): \(warning)")
        }
    }

    private func put(_ resource: ManifestDocument.Resource) async throws -> JSONValue {
        do {
            return try await api.send(
                "PUT", "/v1/\(resource.section.rawValue)/\(APIClient.path(resource.name))",
                [("dryRun", isDryRun ? "true" : nil)], json: try document(resource), timeout: .minutes(5))
        } catch let failure as CommandFailure where failure.status == .invalid {
            throw CommandFailure(failure.status, "\(resource.path): \(failure.message)", details: failure.details)
        }
    }

    /// The document as the server takes it: paths absolute, code inside.
    private func document(_ resource: ManifestDocument.Resource) throws -> JSONValue {
        guard case .object(var object) = resource.document else { return resource.document }
        if resource.section == .sources, let folder = object["directory"]?.string {
            object["directory"] = .string(absolute(folder))
        }
        if let path = manifest.codePath(of: resource) {
            guard let code = FileManager.default.contents(atPath: path) else {
                let error = manifest.located(
                    DocumentError(path: "\(resource.path).file", message: "\(path) cannot be read"))
                throw CommandFailure(.invalid, error.description)
            }
            object["file"] = nil
            object["code"] = [
                "filename": .string(URL(fileURLWithPath: path).lastPathComponent),
                "base64": .string(code.base64EncodedString()),
            ]
        }
        return .object(object)
    }

    private func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        let folder = URL(fileURLWithPath: manifest.file == "standard input" ? "." : manifest.file + "/..")
        return URL(fileURLWithPath: path, relativeTo: folder.standardizedFileURL).standardizedFileURL.path
    }

    private func show(_ resource: ManifestDocument.Resource, _ answer: JSONValue) {
        let word = answer["outcome"]?.string ?? "?"
        terminal.line("\(resource.section.kind) \(resource.name) \(terminal.state(word))")
        guard word == "updated" else { return }
        for change in answer["changes"]?.array ?? [] {
            let path = change["path"]?.string ?? ""
            let before = change["before"].map { terminal.paint($0.text, .red) } ?? "–"
            let after = change["after"].map { terminal.paint($0.text, .green) } ?? "–"
            terminal.line("    \(path): \(before) → \(after)")
        }
    }
}
