internal import Foundation
internal import Functions

/// What of a Dockerfile matters here: which images it is built on. The rest is the builder's business.
enum Dockerfile {
    /// The images that an order's Dockerfile names, all of which may be used. Blocks.
    static func sources(
        _ order: ImageBuildOrder, _ settings: RegistrySettings
    ) throws(ContainerError) -> [ImageReference] {
        guard let data = FileManager.default.contents(atPath: order.directory + "/" + order.dockerfile),
            data.count <= 1 << 20
        else {
            throw ContainerError(.buildFailed, "the dockerfile \"\(order.dockerfile)\" cannot be read, or is too large")
        }
        let names = images(in: String(decoding: data, as: UTF8.self))
        var found: [ImageReference] = []
        for name in names {
            do {
                let image = try ImageReference(name)
                guard !image.repository.hasPrefix(ImageStore.builtPrefix) else {
                    throw ContainerError(.refused, "images that were built here have no name that can be built on")
                }
                try settings.check(image)
                found.append(image)
            } catch let error as ContainerError {
                throw error
            } catch {
                // What it comes to is known to the builder alone; where registries are named, that will not do.
                guard settings.isExclusive || !name.contains("$") else { continue }
                throw ContainerError(.buildFailed, "the dockerfile is built on \"\(name)\": \(error)")
            }
        }
        return found
    }

    /// Names of images behind `FROM`, `--from=` and `from=`, those of other stages left out, variables with a default
    /// filled in.
    static func images(in text: String) -> [String] {
        var stages: Set<String> = ["scratch"]
        var variables: [String: String] = [:]
        var stageCount = 0
        var found: [String] = []
        func add(_ name: String) {
            let name = expand(name, variables)
            guard !name.isEmpty, !stages.contains(name.lowercased()), Int(name) == nil, !found.contains(name) else {
                return
            }
            found.append(name)
        }
        for line in instructions(text) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            guard let first = words.first?.uppercased() else { continue }
            switch first {
            case "ARG" where stageCount == 0:
                for word in words.dropFirst() {
                    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                    if parts.count == 2 {
                        variables[parts[0]] = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "\"'"))
                    }
                }
            case "FROM":
                let rest = words.dropFirst().drop { $0.hasPrefix("--") }
                guard let name = rest.first else { continue }
                add(name)
                stageCount += 1
                let behind = Array(rest.dropFirst())
                if behind.count >= 2, behind[0].uppercased() == "AS" { stages.insert(behind[1].lowercased()) }
            case "COPY", "ADD", "RUN":
                for word in words.dropFirst().prefix(while: { $0.hasPrefix("--") }) {
                    if word.hasPrefix("--from=") { add(String(word.dropFirst(7))) }
                    guard word.hasPrefix("--mount=") else { continue }
                    for part in word.dropFirst(8).split(separator: ",") where part.hasPrefix("from=") {
                        add(String(part.dropFirst(5)))
                    }
                }
            default: break
            }
        }
        return found
    }

    /// Lines joined where they go on, comments left out (Dockerfile reference, "Format").
    private static func instructions(_ text: String) -> [String] {
        var lines: [String] = []
        var open = ""
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let trimmed = line.drop { $0 == " " || $0 == "\t" }
            if trimmed.hasPrefix("#") { continue }
            let end = line.lastIndex { $0 != " " && $0 != "\t" }
            if let end, line[end] == "\\" || line[end] == "`" {
                open += line[..<end] + " "
                continue
            }
            lines.append(open + line)
            open = ""
        }
        return lines + (open.isEmpty ? [] : [open])
    }

    /// `$NAME`, `${NAME}` and `${NAME:-default}`; what is not known stays.
    private static func expand(_ text: String, _ variables: [String: String]) -> String {
        var out = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            out += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            var name: Substring
            var fallback: Substring?
            if rest.hasPrefix("{"), let close = rest.firstIndex(of: "}") {
                name = rest[rest.index(after: rest.startIndex)..<close]
                rest = rest[rest.index(after: close)...]
                if let range = name.range(of: ":-") {
                    fallback = name[range.upperBound...]
                    name = name[..<range.lowerBound]
                }
            } else {
                name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
                rest = rest.dropFirst(name.count)
            }
            out += variables[String(name)] ?? fallback.map(String.init) ?? "$\(name)"
        }
        return out + rest
    }
}
