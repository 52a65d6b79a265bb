import CloudEvents
import Yams

/// Reads one YAML document into a JSON value and remembers where each part stands.
///
/// Plain scalars are read by the core schema of YAML 1.2 (§10.3.2), where `no`, `on` and `12:30` are texts; what the
/// schemas of 1.1 and 1.2 read differently (`0755`) is refused.
struct YAMLReader {
    /// A manifest larger than this is not read.
    static let largestText = 4 << 20
    /// Values in the document once its aliases are followed.
    static let mostValues = 200_000
    static let deepest = 64
    /// What following the aliases may multiply the text by, at the very most.
    private static let largestExpansion = 100_000.0

    private let file: String
    private(set) var positions: [String: ManifestPosition] = [:]
    private var values = 0

    init(file: String) {
        self.file = file
    }

    mutating func read(_ text: String) throws(ManifestError) -> JSONValue {
        guard text.utf8.count <= Self.largestText else {
            throw ManifestError(.tooLarge, file: file, message: "the file is larger than 4 MiB")
        }
        guard Self.expansionBound(text) <= Self.largestExpansion else {
            throw ManifestError(
                .tooLarge, file: file, message: "too many anchors (&) and aliases (*): write the values out")
        }
        let node = try compose(text)
        return try value(node, path: "", depth: 0)
    }

    private func compose(_ text: String) throws(ManifestError) -> Node {
        do {
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            guard let root = try parser.nextRoot() else {
                throw ManifestError(.content, file: file, message: "the file is empty")
            }
            guard try parser.nextRoot() == nil else {
                throw ManifestError(
                    .content, file: file,
                    message: "the file holds more than one document (---): put each into a file of its own")
            }
            return root
        } catch let error as ManifestError {
            throw error
        } catch let error as YamlError {
            throw ManifestError(error, file: file)
        } catch {
            throw ManifestError(.syntax, file: file, message: "\(error)")
        }
    }

    /// How many times over its own size the text can grow when aliases are followed: never less than the truth.
    ///
    /// With `a` anchors and `r` references the growth is a product of (1 + references) over the levels of nesting, at
    /// most (1 + r/a)^a. It must be known before the text is composed, since composing compares keys, and a key may be
    /// an alias. Marks are counted wherever the scanner could take one for an anchor or alias, strings and comments
    /// included.
    static func expansionBound(_ text: String) -> Double {
        var anchors = 0.0
        var references = 0.0
        var previous: UInt8 = 0x20
        var mark: UInt8?
        for byte in text.utf8 {
            if let open = mark {
                let isName =
                    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x2D
                    || byte == 0x5F
                if isName, open == 0x26 { anchors += 1 } else if isName { references += 1 }
            }
            mark = nil
            if byte == 0x26 || byte == 0x2A {
                switch previous {
                case 0x00...0x20, 0x22, 0x27, 0x2C, 0x2D, 0x3A, 0x3F, 0x5B, 0x5D, 0x7B, 0x7D, 0x80...0xFF: mark = byte
                default: break
                }
            }
            previous = byte
        }
        guard anchors > 0 else { return 1 }
        var bound = 1.0
        for _ in 0..<Int(min(anchors, 400)) { bound *= 1 + references / anchors }
        return bound
    }

    private mutating func value(_ node: Node, path: String, depth: Int) throws(ManifestError) -> JSONValue {
        let position = node.mark.map { ManifestPosition(line: $0.line, column: $0.column) }
        if positions[path] == nil { positions[path] = position }
        func fail(_ code: ManifestError.Code, _ message: String) -> ManifestError {
            ManifestError(code, file: file, position: position, path: path, message: message)
        }
        values += 1
        guard values <= Self.mostValues else { throw fail(.tooLarge, "the file holds too many values") }
        guard depth < Self.deepest else { throw fail(.tooLarge, "nesting is deeper than \(Self.deepest)") }
        switch node {
        case .scalar(let scalar):
            switch YAMLScalar.read(scalar.string, isPlain: scalar.style == .plain, tag: scalar.tag.description) {
            case .success(let value): return value
            case .failure(let refusal): throw fail(.content, refusal.message)
            }
        case .sequence(let sequence):
            guard YAMLScalar.isPlainTag(sequence.tag.description) else { throw fail(.content, YAMLScalar.tagMessage) }
            var elements: [JSONValue] = []
            for (index, element) in sequence.enumerated() {
                elements.append(try value(element, path: "\(path)[\(index)]", depth: depth + 1))
            }
            return .array(elements)
        case .mapping(let mapping):
            guard YAMLScalar.isPlainTag(mapping.tag.description) else { throw fail(.content, YAMLScalar.tagMessage) }
            var object = JSONObject()
            var seen: Set<String> = []
            for (key, member) in mapping {
                guard case .scalar(let scalar) = key else { throw fail(.content, "a key must be a text") }
                let name = scalar.string
                let inside = path.isEmpty ? name : "\(path).\(name)"
                let place = key.mark.map { ManifestPosition(line: $0.line, column: $0.column) }
                guard name != "<<" || scalar.style != .plain else {
                    throw ManifestError(
                        .content, file: file, position: place, path: path,
                        message: "merge keys (<<) are not read: write the members out")
                }
                guard seen.insert(name).inserted else {
                    throw ManifestError(
                        .duplicate, file: file, position: place, path: path,
                        message: "the key \"\(name)\" stands here twice")
                }
                positions[inside] = place
                object.members.append(
                    .init(name: name, value: try value(member, path: inside, depth: depth + 1)))
            }
            return .object(object)
        case .alias:
            throw fail(.content, "this alias has no anchor")
        }
    }
}

extension ManifestError {
    init(_ error: YamlError, file: String) {
        func position(_ mark: Mark) -> ManifestPosition { ManifestPosition(line: mark.line, column: mark.column) }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let around = context.map { " (\($0.text) that begins in line \($0.mark.line))" } ?? ""
            self.init(.syntax, file: file, position: position(mark), message: "not valid YAML: \(problem)\(around)")
        case .reader(let problem, _, _, _):
            self.init(.syntax, file: file, message: "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "\"\($0)\"" }.joined(separator: ", ")
            self.init(
                .duplicate, file: file, position: position(context.mark),
                message: duplicates.count == 1
                    ? "the key \(names) stands here twice" : "the keys \(names) stand here twice")
        default:
            self.init(.syntax, file: file, message: "not valid YAML: \(error)")
        }
    }
}
