import CloudEvents
import Foundation

extension FunctionEntry {
    /// How files of JavaScript end.
    static let javaScript = [".js", ".mjs", ".cjs"]

    static func javaScript(
        _ handler: String?, _ code: StoredCode, _ folder: String
    ) throws(FunctionError) -> (entry: String, handler: String?) {
        if let named = try named(handler, javaScript, code) { return named }
        if code.files.count == 1, let only = code.files.first { return (only, handler) }
        let package = try PackageDocument(in: code, at: folder)
        if let main = package?.main {
            // As the interpreter resolves it: the file, with an ending, or a folder's index.
            let path = main.hasPrefix("./") ? String(main.dropFirst(2)) : main
            let stem = path.hasSuffix("/") ? String(path.dropLast()) : path
            let candidates = [stem] + javaScript.map { stem + $0 } + javaScript.map { stem + "/index" + $0 }
            guard let found = candidates.first(where: { code.files.contains($0) }) else {
                throw FunctionError(
                    .invalidCode,
                    "package.json: main names \"\(main)\", which is not in the code; it has \(list(code.files))")
            }
            return (found, handler)
        }
        for usual in ["index", "main", "handler"] {
            for ending in javaScript where code.files.contains(usual + ending) { return (usual + ending, handler) }
        }
        let top = code.files.filter { file in
            !file.contains("/") && javaScript.contains { file.hasSuffix($0) }
        }
        guard top.count == 1, let only = top.first else {
            throw FunctionError(
                .invalidCode,
                "the archive has no package.json with main, index.js, main.js or handler.js: name the file as handler "
                    + "\"file.js:function\"; it has \(list(code.files))")
        }
        return (only, handler)
    }
}

/// What counts of a `package.json`.
struct PackageDocument {
    /// The file to start, as its author wrote it.
    var main: String?
    /// The names of what it depends on when it runs.
    var dependencies: [String]

    /// Reads the one at the top of the code; `nil` when there is none.
    init?(in code: StoredCode, at folder: String) throws(FunctionError) {
        guard code.files.contains("package.json") else { return nil }
        guard let bytes = FileManager.default.contents(atPath: folder + "/package.json") else {
            throw FunctionError(.storage, "the code's package.json cannot be read back")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: Array(bytes))
        } catch {
            throw FunctionError(.invalidCode, "package.json: \(error)")
        }
        main = document["main"]?.string
        dependencies = document["dependencies"]?.object?.names ?? []
    }
}
