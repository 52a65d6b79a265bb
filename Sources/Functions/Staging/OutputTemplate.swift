public import CloudEvents

/// A path inside a mount with variables: `{subject.directory}/{subject.stem}.json`.
///
/// A rendered path never leads out of the mount: a value that stands for one name is escaped until it is one, and a value
/// that stands for a path must be one without `..`.
public struct OutputTemplate: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case text(String)
        case variable(Variable)
    }

    /// What a template may name.
    enum Variable: Sendable, Hashable {
        case file(Origin, FilePart)
        /// A context attribute of the event.
        case attribute(String)
        case time(TimePart)
        case activation, function, namespace
    }

    /// Whose path.
    enum Origin: String, Sendable, CaseIterable { case subject, input, output }
    enum FilePart: String, Sendable, CaseIterable { case path, directory, name, stem, `extension` }
    enum TimePart: String, Sendable, CaseIterable { case year, month, day, hour }

    /// As it was written.
    public let text: String
    let parts: [Part]

    /// Whether each file of a run has a place of its own; else a run may leave one file only.
    public var namesEachFile: Bool {
        parts.contains { part in
            if case .variable(.file(.output, _)) = part { true } else { false }
        }
    }

    /// Why a text is no template.
    package struct Fault: Error, Sendable, Hashable {
        package let message: String
    }

    /// - Parameter text: the part behind `mount:NAME/`. One that ends with `/` (or is empty) is a folder: each file goes
    ///   below it by its own path.
    package init(_ text: String) throws(Fault) {
        self.text = text
        let whole = text.isEmpty || text.hasSuffix("/") ? text + "{output.path}" : text
        guard whole.utf8.count <= StagingPath.longest else { throw Fault(message: "this is too long for a path") }
        var parts: [Part] = []
        var rest = Substring(whole)
        while !rest.isEmpty {
            guard let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) else {
                parts.append(.text(String(rest)))
                break
            }
            guard rest[open] == "{" else { throw Fault(message: "there is a \"}\" without a \"{\" before it") }
            if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
            rest = rest[rest.index(after: open)...]
            guard let close = rest.firstIndex(of: "}") else {
                throw Fault(message: "there is a \"{\" without its \"}\"")
            }
            parts.append(.variable(try Variable(String(rest[..<close]))))
            rest = rest[rest.index(after: close)...]
        }
        self.parts = parts
        // Each variable stands for at least one character that is allowed, so what is wrong now is wrong for ever.
        let sample = parts.map { part in
            switch part {
            case .text(let text): text
            case .variable: "x"
            }
        }.joined()
        guard !whole.hasPrefix("/"), let path = StagingPath.normalised(sample) else {
            throw Fault(
                message: "a path inside the mount was expected: not absolute, without \"..\" and control characters")
        }
        guard StagingPath.isOutputName(StagingPath.split(path).name) else {
            throw Fault(
                message: "a file may not be called so: names that begin with \(StagingPath.reservedPrefix) or end with "
                    + "\(StagingPath.provenanceSuffix) are Weir's own")
        }
    }

    /// What the variables stand for in one run.
    public struct Values: Sendable {
        /// Context attributes of the event as text; `nil` when there is none.
        public var attribute: @Sendable (String) -> String?
        /// The event's time, else that of the run.
        public var time: EventTime
        /// The input's path inside its mount; `nil` when the function has none.
        public var input: String?
        public var activation: String
        public var function: String
        public var namespace: String

        public init(
            time: EventTime, input: String?, activation: String, function: String, namespace: String,
            attribute: @escaping @Sendable (String) -> String?
        ) {
            self.attribute = attribute
            self.time = time
            self.input = input
            self.activation = activation
            self.function = function
            self.namespace = namespace
        }
    }

    /// The path of one file of a run.
    /// - Parameter output: the file's own path inside the output folder.
    package func render(_ values: Values, output: String) throws(Fault) -> String {
        var path = ""
        for part in parts {
            switch part {
            case .text(let text): path += text
            case .variable(let variable): path += try variable.value(values, output: output)
            }
        }
        guard let normal = StagingPath.normalised(path), !normal.isEmpty else {
            throw Fault(message: "\"\(path)\" is no path inside the mount")
        }
        guard StagingPath.isOutputName(StagingPath.split(normal).name) else {
            throw Fault(message: "a file may not be called \"\(StagingPath.split(normal).name)\"")
        }
        return normal
    }
}

extension OutputTemplate.Variable: CustomStringConvertible {
    init(_ text: String) throws(OutputTemplate.Fault) {
        switch text {
        case "activation": self = .activation
        case "function": self = .function
        case "namespace": self = .namespace
        default:
            let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if halves.count == 2, let origin = OutputTemplate.Origin(rawValue: halves[0]),
                let part = OutputTemplate.FilePart(rawValue: halves[1])
            {
                self = .file(origin, part)
            } else if halves.count == 2, halves[0] == "time", let part = OutputTemplate.TimePart(rawValue: halves[1]) {
                self = .time(part)
            } else if halves.count == 2, halves[0] == "event", Self.isAttribute(halves[1]) {
                self = .attribute(halves[1])
            } else {
                throw OutputTemplate.Fault(
                    message:
                        "{\(text)} is no variable: there are subject, input and output with .path, .directory, .name, "
                        + ".stem and .extension, time with .year, .month, .day and .hour, event.ATTRIBUTE, activation, "
                        + "function and namespace")
            }
        }
    }

    /// CloudEvents 1.0, naming conventions: lower-case letters and digits.
    private static func isAttribute(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255
            && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) }
    }

    var description: String {
        switch self {
        case .file(let origin, let part): "{\(origin.rawValue).\(part.rawValue)}"
        case .attribute(let name): "{event.\(name)}"
        case .time(let part): "{time.\(part.rawValue)}"
        case .activation: "{activation}"
        case .function: "{function}"
        case .namespace: "{namespace}"
        }
    }

    func value(_ values: OutputTemplate.Values, output: String) throws(OutputTemplate.Fault) -> String {
        switch self {
        case .file(let origin, let part): return try file(origin, part, values, output)
        case .attribute(let name):
            guard let text = values.attribute(name), !text.isEmpty else {
                throw OutputTemplate.Fault(message: "the event has no attribute \"\(name)\", which \(self) needs")
            }
            return Self.escaped(text)
        case .time(let part): return Self.text(part, values.time)
        case .activation: return Self.escaped(values.activation)
        // A name in a package has a "/" in it: the package is a folder.
        case .function: return try path(values.function, part: .path)
        case .namespace: return Self.escaped(values.namespace)
        }
    }

    private func file(
        _ origin: OutputTemplate.Origin, _ part: OutputTemplate.FilePart, _ values: OutputTemplate.Values,
        _ output: String
    ) throws(OutputTemplate.Fault) -> String {
        switch origin {
        case .subject:
            guard let subject = values.attribute("subject"), !subject.isEmpty else {
                throw OutputTemplate.Fault(message: "the event has no subject, which \(self) needs")
            }
            return try path(subject, part: part)
        case .input:
            guard let input = values.input else {
                throw OutputTemplate.Fault(message: "the run has no input file, which \(self) needs")
            }
            return try path(input, part: part)
        case .output: return try path(output, part: part)
        }
    }

    private func path(_ text: String, part: OutputTemplate.FilePart) throws(OutputTemplate.Fault) -> String {
        guard let path = StagingPath.normalised(String(text.drop { $0 == "/" })), !path.isEmpty else {
            throw OutputTemplate.Fault(message: "\(self): \"\(text)\" is no path that can be used as one")
        }
        let (directory, name) = StagingPath.split(path)
        return switch part {
        case .path: path
        case .directory: directory
        case .name: name
        case .stem: StagingPath.splitExtension(name).stem
        case .extension: StagingPath.splitExtension(name).suffix
        }
    }

    /// Any text as a part of one name: what would be more than that is written as `%` and two digits. Different texts
    /// stay different.
    static func escaped(_ text: String) -> String {
        var out: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for (index, byte) in text.utf8.enumerated() {
            let isLeadingPoint = index == 0 && byte == 0x2E
            if byte == 0x2F || byte == 0x25 || byte < 0x20 || byte == 0x7F || isLeadingPoint {
                out.append(contentsOf: [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func text(_ part: OutputTemplate.TimePart, _ time: EventTime) -> String {
        // RFC 3339 in UTC, 2026-05-20T13:…: the parts stand at fixed places.
        let text = Array(EventTime(nanoseconds: time.nanoseconds).text.utf8)
        let range =
            switch part {
            case .year: 0..<4
            case .month: 5..<7
            case .day: 8..<10
            case .hour: 11..<13
            }
        guard text.count >= range.upperBound else { return "0" }
        return String(decoding: text[range], as: UTF8.self)
    }
}
