/// Finds what to start inside a function's code.
enum FunctionEntry {
    /// The file to start and the handler's name in it (interpreters only; `nil`: the runtime looks).
    ///
    /// - Parameter folder: where the code lies.
    static func find(
        _ spec: FunctionSpec, in code: StoredCode, at folder: String
    ) throws(FunctionError) -> (entry: String, handler: String?) {
        switch spec.runtime {
        case .python: try python(spec.handler, code)
        case .nodejs: try javaScript(spec.handler, code, folder)
        case .swift: (try swift(spec.handler, code), nil)
        case .executable: (try program(spec.handler, code), nil)
        case .container: (try container(spec, code), spec.handler)
        case .sequence: ("", nil)
        }
    }

    private static func python(
        _ handler: String?, _ code: StoredCode
    ) throws(FunctionError) -> (entry: String, handler: String?) {
        if let named = try named(handler, [".py"], code) { return named }
        let name = handler
        if code.files.count == 1, let only = code.files.first { return (only, name) }
        for usual in ["__main__.py", "main.py", "handler.py"] where code.files.contains(usual) { return (usual, name) }
        let top = code.files.filter { $0.hasSuffix(".py") && !$0.contains("/") }
        guard top.count == 1, let only = top.first else {
            throw FunctionError(
                .invalidCode,
                "the archive has no __main__.py, main.py or handler.py: name the file as handler \"file.py:function\"; "
                    + "it has \(list(code.files))")
        }
        return (only, name)
    }

    /// What a handler says that names a file: `file.py` or `file.py:name`; `nil` when it names none.
    static func named(
        _ handler: String?, _ suffixes: [String], _ code: StoredCode
    ) throws(FunctionError) -> (entry: String, handler: String?)? {
        guard let handler else { return nil }
        let parts = handler.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 || suffixes.contains(where: { handler.hasSuffix($0) }) else { return nil }
        guard code.files.contains(parts[0]) else {
            throw FunctionError(
                .invalidCode, "handler: there is no file \"\(parts[0])\" in the code; it has \(list(code.files))")
        }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    /// Whether a program has to be built of the code first.
    static func isSwiftSource(_ code: StoredCode) -> Bool {
        code.files.contains("Package.swift") || code.files.contains { $0.hasSuffix(".swift") && !$0.contains("/") }
    }

    private static func swift(_ handler: String?, _ code: StoredCode) throws(FunctionError) -> String {
        guard isSwiftSource(code) else { return try program(handler, code) }
        let usual = ["Package.swift", "main.swift"].first { code.files.contains($0) }
        return usual ?? code.files.first { $0.hasSuffix(".swift") && !$0.contains("/") } ?? ""
    }

    private static func program(_ handler: String?, _ code: StoredCode) throws(FunctionError) -> String {
        if let handler {
            guard code.files.contains(handler) else {
                throw FunctionError(
                    .invalidCode, "handler: there is no file \"\(handler)\" in the code; it has \(list(code.files))")
            }
            guard code.programs.contains(handler) else {
                throw FunctionError(
                    .invalidCode, "handler: the file \"\(handler)\" is not executable; run chmod +x before packing it")
            }
            return handler
        }
        for usual in ["exec", "main"] where code.programs.contains(usual) { return usual }
        guard code.programs.count == 1, let only = code.programs.first else {
            throw FunctionError(
                .invalidCode,
                code.programs.isEmpty
                    ? "the archive has no executable file; run chmod +x before packing it"
                    : "the archive has several executable files: name one as handler; it has "
                        + list(code.programs.sorted()))
        }
        return only
    }

    /// What is sent with `/init`, or the dockerfile.
    private static func container(_ spec: FunctionSpec, _ code: StoredCode) throws(FunctionError) -> String {
        if case .dockerfile(let name)? = spec.container?.origin {
            guard code.files.contains(name) else {
                throw FunctionError(
                    .invalidCode, "dockerfile: there is no file \"\(name)\" in the code; it has \(list(code.files))")
            }
            return name
        }
        return code.files.count == 1 ? code.files.first ?? "" : ""
    }

    static func list(_ names: [String]) -> String {
        names.prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
    }
}
