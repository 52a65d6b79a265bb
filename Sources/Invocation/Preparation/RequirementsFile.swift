internal import Foundation
internal import Functions

/// A `requirements.txt` as it counts: what is asked for, and whether it asks for files of the code.
///
/// Options that say where packages come from, or that change how they are built, are the operator's: they are refused.
struct RequirementsFile {
    /// All lines that say something, in their order, included files in place.
    private(set) var lines: [String] = []
    /// Whether files of the code decide what is installed.
    private(set) var usesCode = false
    private var seen: Set<String> = []

    /// Options of a line of its own that only say what is wanted.
    private static let allowed: Set<String> = ["-r", "--requirement", "-c", "--constraint"]
    /// Options behind a package.
    private static let allowedBehind: Set<String> = ["--hash"]

    /// - Parameters:
    ///   - name: of the file in the code.
    ///   - folder: where the code lies.
    init(_ name: String, in folder: String) throws(FunctionError) {
        try read(name, folder)
    }

    /// The lines themselves, from a specification.
    init(_ lines: [String]) throws(FunctionError) {
        for (index, line) in lines.enumerated() { try add(line, place: "requirements[\(index)]", file: "", folder: "") }
    }

    private mutating func read(_ name: String, _ folder: String) throws(FunctionError) {
        guard seen.insert(name).inserted else { return }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !name.isEmpty, !parts.contains(".."), !parts.contains("") else {
            throw FunctionError(.invalidCode, "requirements: \"\(name)\" is not a file of the code")
        }
        guard let bytes = FileManager.default.contents(atPath: folder + "/" + name), bytes.count <= 1 << 20,
            let text = String(validating: bytes, as: UTF8.self)
        else {
            throw FunctionError(
                .invalidCode, "requirements: \"\(name)\" is not in the code, or is no text of at most 1 MiB")
        }
        var whole = ""
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            // A line that ends in a backslash goes on in the next one.
            let line = line.hasSuffix("\r") ? line.dropLast() : line
            if line.hasSuffix("\\") {
                whole += line.dropLast()
                continue
            }
            whole += line
            try add(whole, place: "\(name), line \(number + 1)", file: name, folder: folder)
            whole = ""
        }
        if !whole.isEmpty { try add(whole, place: name, file: name, folder: folder) }
    }

    private mutating func add(
        _ line: String, place: String, file: String, folder: String
    ) throws(FunctionError) {
        // A comment begins at "#" that begins the line or follows a space.
        var words: [Substring] = []
        for word in line.split(whereSeparator: { $0 == " " || $0 == "\t" }) {
            if word.hasPrefix("#") { break }
            words.append(word)
        }
        guard let first = words.first else { return }
        if first.hasPrefix("-") {
            let option = first.split(separator: "=", maxSplits: 1).map(String.init)
            guard Self.allowed.contains(option[0]), !file.isEmpty else {
                throw FunctionError(
                    .invalidCode, "\(place): the option \(option[0]) is the server's to set, not a function's")
            }
            let named = option.count == 2 ? option[1] : words.dropFirst().first.map(String.init) ?? ""
            // A file that is included is named relative to the one that includes it.
            let above = file.split(separator: "/").dropLast().joined(separator: "/")
            let path = above.isEmpty ? named : above + "/" + named
            if option[0].hasSuffix("r") || option[0] == "--requirement" {
                try read(path, folder)
            } else {
                // Constraints stay a file for the installer; the code decides.
                usesCode = true
                lines.append("-c \(folder)/\(path)")
            }
            return
        }
        for word in words.dropFirst() where word.hasPrefix("--") {
            let option = String(word.split(separator: "=", maxSplits: 1)[0])
            guard Self.allowedBehind.contains(option) else {
                throw FunctionError(
                    .invalidCode, "\(place): the option \(option) is the server's to set, not a function's")
            }
        }
        if Self.namesFile(String(first)) || words.contains(where: { $0.hasPrefix("file:") }) { usesCode = true }
        lines.append(words.joined(separator: " "))
    }

    private static func namesFile(_ requirement: String) -> Bool {
        requirement.hasPrefix(".") || requirement.hasPrefix("/") || requirement.hasSuffix(".whl")
            || requirement.hasSuffix(".gz") || requirement.hasSuffix(".zip")
    }
}
