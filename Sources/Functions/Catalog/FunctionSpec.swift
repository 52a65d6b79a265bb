package import CloudEvents
package import Manifest

/// A function as its author describes it.
package struct FunctionSpec: Sendable, Hashable {
    /// Where the code comes from.
    package enum Source: Sendable, Hashable {
        /// A file beside the manifest: a program, a Python file or an archive; the bytes come with the upload.
        case file(String)
        /// The text itself.
        case code(String)
        /// All of it is in the container's image.
        case image
        /// None: a sequence has only the names of other functions.
        case none
    }

    package var source: Source
    /// What runs in a container of its own image.
    package var container: ContainerSpec?
    package var runtime: FunctionVersion.Runtime
    /// Python: `name`, `file.py:name` or `file.py`; executable: the program inside the archive. `nil`: found.
    package var handler: String?
    /// The packages to install when it is deployed; `nil`: none beside those that the code brings.
    package var requirements: Requirements?
    package var parameters: JSONObject
    package var environment: [FunctionVersion.EnvironmentVariable]
    package var limits: FunctionVersion.Limits
    package var staging: FunctionStaging
    package var network: NetworkRequest
    package var description: String?
    /// How the handler is called; `nil`: it is found by looking at it.
    package var call: FunctionVersion.Call?
    /// Of a sequence: its functions in their order.
    package var components: [String]
    /// Free words about the function; some mean something to the OpenWhisk API (`web-export` …).
    package var annotations: JSONObject
    /// What only the OpenWhisk API asks for: kind and version as it shows them.
    package var openwhisk: OpenWhiskSection?

    /// What the limits of a function may be.
    private enum Range {
        static let timeout = Int64(1)...86_400_000
        static let memory = (Int64(16) << 20)...(Int64(1) << 40)
        static let logs = Int64(0)...(Int64(64) << 20)
    }

    /// - Parameters:
    ///   - document: as in a manifest.
    ///   - path: where it stands, for messages.
    ///   - filename: of the code that was uploaded; counts when the document names no file itself.
    package init(
        _ document: JSONValue, path: String = "", filename: String? = nil
    ) throws(DocumentError) {
        var reader = try DocumentReader(document, path: path)
        let file = try reader.string("file")
        let code = try reader.string("code")
        container = try ContainerSpec(&reader)
        components = try Self.components(try reader.array("components"), path: reader.path(of: "components"))
        switch (file, code) {
        case (nil, nil) where !components.isEmpty:
            source = .none
        case (_, _) where !components.isEmpty:
            throw DocumentError(
                path: reader.path(of: "components"), message: "a sequence has components and no code of its own")
        case (_?, _?):
            throw DocumentError(
                path: reader.path(of: "code"), message: "a function has either a file or code, not both")
        case (let file?, nil):
            guard !file.isEmpty else {
                throw DocumentError(path: reader.path(of: "file"), message: "this must not be empty")
            }
            source = .file(file)
        case (nil, let code?):
            // It stands in the registry and in each command of it.
            guard code.utf8.count <= 256 << 10 else {
                throw DocumentError(
                    path: reader.path(of: "code"), message: "this is larger than 256 KiB: put it into a file")
            }
            source = .code(code)
        case (nil, nil):
            if let filename {
                source = .file(filename)
            } else if case .image? = container?.origin {
                source = .image
            } else {
                throw DocumentError(
                    path: reader.path(of: "file"),
                    message: container == nil
                        ? "this is required, or the text itself as \"code\""
                        : "this is required: the archive that holds the dockerfile")
            }
        }
        if let container { try Self.check(container, source, reader) }
        let word = try reader.word("runtime", of: FunctionVersion.Runtime.allCases.map(\.rawValue))
        if container != nil {
            guard word == nil || word == FunctionVersion.Runtime.container.rawValue else {
                throw DocumentError(
                    path: reader.path(of: "runtime"), message: "a container's image brings its runtime: leave this out")
            }
            runtime = .container
        } else if word == FunctionVersion.Runtime.container.rawValue {
            throw DocumentError(
                path: reader.path(of: "runtime"), message: "a container needs an image, or a dockerfile to make one of")
        } else if let runtime = word.flatMap(FunctionVersion.Runtime.init) {
            self.runtime = runtime
            guard (runtime == .sequence) == !components.isEmpty else {
                throw DocumentError(
                    path: reader.path(of: "components"), message: "a sequence, and nothing else, has components")
            }
        } else if source == .none {
            runtime = .sequence
        } else if let guess = Self.runtime(of: source) {
            runtime = guess
        } else {
            throw DocumentError(
                path: reader.path(of: "runtime"),
                message:
                    "this is required here (python, nodejs, swift or executable): it is clear only for a file that "
                    + "ends in .py, .js, .mjs, .cjs or .swift")
        }
        handler = try reader.string("handler")
        if let handler { try Self.check(handler: handler, path: reader.path(of: "handler")) }
        requirements = try Self.requirements(&reader, runtime)
        parameters = try reader.freeObject("parameters") ?? [:]
        environment = try Self.environment(
            try reader.freeObject("environment"), path: reader.path(of: "environment"))
        var limits = FunctionVersion.Limits()
        if let timeout = try reader.duration("timeout") {
            limits.timeout = try Self.check(timeout, Range.timeout, reader.path(of: "timeout")) {
                Quantity.text(milliseconds: $0)
            }
        }
        if let memory = try reader.size("memory") {
            limits.memory = try Self.check(memory, Range.memory, reader.path(of: "memory"), Quantity.text(bytes:))
        }
        if let logs = try reader.size("logs") {
            limits.logs = try Self.check(logs, Range.logs, reader.path(of: "logs"), Quantity.text(bytes:))
        }
        try limits.readScaling(&reader)
        self.limits = limits
        staging = try FunctionStaging(&reader)
        network = try NetworkRequest(&reader)
        try Self.checkConcurrent(limits, runtime, staging, network, reader)
        if container != nil { try Self.checkContained(staging, network, reader) }
        description = try reader.string("description")
        call = try reader.word("call", of: FunctionVersion.Call.allCases.map(\.rawValue))
            .flatMap(FunctionVersion.Call.init)
        annotations = try reader.freeObject("annotations") ?? [:]
        openwhisk = try reader.object("openwhisk").map { (inner) throws(DocumentError) in try OpenWhiskSection(inner) }
        try checkShared(reader)
        try reader.finish()
    }

    /// The same with everything that was left out written down; equal specifications have equal documents.
    package var document: JSONValue {
        var members = JSONObject()
        switch source {
        case .file(let name): members["file"] = .string(name)
        case .code(let text): members["code"] = .string(text)
        case .image, .none: break
        }
        if let container { Self.write(container, into: &members) }
        members["runtime"] = .string(runtime.rawValue)
        members["handler"] = handler.map { .string($0) }
        members["requirements"] = requirements?.document
        if !parameters.isEmpty { members["parameters"] = .object(parameters) }
        if !environment.isEmpty {
            members["environment"] = .object(
                JSONObject(members: environment.map { .init(name: $0.name, value: .string($0.value)) }))
        }
        members["timeout"] = .string(Quantity.text(milliseconds: limits.timeout))
        members["memory"] = .string(Quantity.text(bytes: limits.memory))
        members["logs"] = .string(Quantity.text(bytes: limits.logs))
        limits.writeScaling(into: &members)
        staging.write(into: &members)
        members["network"] = network.document
        members["description"] = description.map { .string($0) }
        members["call"] = call.map { .string($0.rawValue) }
        if !components.isEmpty { members["components"] = .array(components.map { .string($0) }) }
        if !annotations.isEmpty { members["annotations"] = .object(annotations) }
        members["openwhisk"] = openwhisk?.document
        return .object(members)
    }

    private static func runtime(of source: Source) -> FunctionVersion.Runtime? {
        guard case .file(let name) = source else { return nil }
        let lower = name.lowercased()
        if lower.hasSuffix(".py") { return .python }
        if lower.hasSuffix(".swift") { return .swift }
        return FunctionEntry.javaScript.contains { lower.hasSuffix($0) } ? .nodejs : nil
    }

    private static func check(
        _ container: ContainerSpec, _ source: Source, _ reader: borrowing DocumentReader
    ) throws(DocumentError) {
        switch (container.origin, source) {
        case (.dockerfile, .file(let name)):
            guard Archive.Format(filename: name) != nil else {
                throw DocumentError(
                    path: reader.path(of: "file"),
                    message: "the dockerfile is looked for in an archive: .zip, .tar, .tar.gz or .tgz was expected")
            }
        case (.dockerfile, .code):
            throw DocumentError(
                path: reader.path(of: "code"),
                message: "the dockerfile is looked for in an archive: give it as \"file\"")
        case (.image, .file), (.image, .code):
            guard container.exchange == .openWhisk else {
                throw DocumentError(
                    path: reader.path(of: "protocol"),
                    message: "code beside an image travels by OpenWhisk's /init only; cloudevents has no place for it")
            }
        case (_, .image), (_, .none): break
        }
    }

    /// What a container is not given.
    private static func checkContained(
        _ staging: FunctionStaging, _ network: NetworkRequest, _ reader: borrowing DocumentReader
    ) throws(DocumentError) {
        guard staging.input == .event else {
            throw DocumentError(
                path: reader.path(of: "input"), message: "a container is given the event, not its file: leave this out")
        }
        guard staging.output == nil else {
            throw DocumentError(
                path: reader.path(of: "output"), message: "a container's files are not taken out: leave this out")
        }
        guard staging.mounts.isEmpty else {
            throw DocumentError(
                path: reader.path(of: "mounts"), message: "a container sees its image alone: leave this out")
        }
        guard case .none = network else {
            throw DocumentError(path: reader.path(of: "network"), message: "a container has no network: leave this out")
        }
    }

    private static func write(_ container: ContainerSpec, into members: inout JSONObject) {
        switch container.origin {
        case .image(let image): members["image"] = .string(image.description)
        case .dockerfile(let name): members["dockerfile"] = .string(name)
        }
        members["protocol"] = .string(container.exchange.rawValue)
        members["port"] = .integer(Int64(container.port))
        members["pull"] = .string(container.pull.rawValue)
    }

    /// The names of a sequence's functions.
    private static func components(_ list: [JSONValue]?, path: String) throws(DocumentError) -> [String] {
        var names: [String] = []
        for (index, value) in (list ?? []).enumerated() {
            guard let name = value.string, name.hasPrefix("/"),
                (2...3).contains(name.split(separator: "/", omittingEmptySubsequences: false).dropFirst().count)
            else {
                throw DocumentError(
                    path: "\(path)[\(index)]",
                    message: "the name of a function was expected: /namespace/name or /namespace/package/name")
            }
            names.append(name)
        }
        guard list == nil || !names.isEmpty else {
            throw DocumentError(path: path, message: "a sequence needs a component at least")
        }
        return names
    }

    private static func check(handler: String, path: String) throws(DocumentError) {
        guard !handler.isEmpty, handler.utf8.count <= 1024, !handler.hasPrefix("/"),
            !handler.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\\") }),
            !handler.utf8.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) })
        else {
            throw DocumentError(path: path, message: "a name such as handle, or file.py:handle, was expected")
        }
    }

    private static func environment(
        _ object: JSONObject?, path: String
    ) throws(DocumentError) -> [FunctionVersion.EnvironmentVariable] {
        var variables: [FunctionVersion.EnvironmentVariable] = []
        var size = 0
        for member in object?.members ?? [] {
            let place = "\(path).\(member.name)"
            let name = Array(member.name.utf8)
            guard let first = name.first, !(0x30...0x39).contains(first),
                name.allSatisfy({
                    (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x5F
                })
            else {
                throw DocumentError(
                    path: path,
                    message: "a variable's name has letters, digits and \"_\" and does not begin with a digit")
            }
            let value: String
            switch member.value {
            case .string(let text): value = text
            case .integer, .number, .bool: value = member.value.text
            default:
                throw DocumentError(path: place, message: "a string was expected, not \(member.value.kindName)")
            }
            guard !value.utf8.contains(0) else {
                throw DocumentError(path: place, message: "a variable cannot hold a NUL character")
            }
            size += name.count + value.utf8.count + 2
            variables.append(.init(name: member.name, value: value))
        }
        // The kernel takes 2 MiB of arguments and environment together, 128 KiB of one string.
        guard size <= 64 << 10 else {
            throw DocumentError(path: path, message: "the variables are larger than 64 KiB")
        }
        return variables
    }

    private static func check(
        _ value: Int64, _ range: ClosedRange<Int64>, _ path: String, _ text: (Int64) -> String
    ) throws(DocumentError) -> Int64 {
        guard range.contains(value) else {
            throw DocumentError(
                path: path,
                message:
                    "\(text(value)) is out of range: \(text(range.lowerBound)) to \(text(range.upperBound)) is allowed")
        }
        return value
    }
}
