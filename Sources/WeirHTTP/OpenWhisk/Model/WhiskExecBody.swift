import CloudEvents
import Functions
import HTTPTypes

/// The `exec` and `limits` of an action's PUT.
struct WhiskExecBody {
    var exec: WhiskExec
    var code: UploadedCode

    /// - Parameter own: what `_` stands for in the names of components.
    init(_ value: JSONValue, runtimes: WhiskRuntimes, own: String) throws(WhiskError) {
        guard let object = value.object else { throw .malformed("exec must be an object, not \(value.kindName)") }
        guard let kind = WhiskBody.present(object["kind"])?.string else {
            throw .malformed("'kind' must be a string defined in 'exec'")
        }
        func text(_ name: String) throws(WhiskError) -> String? {
            guard let value = WhiskBody.present(object[name]) else { return nil }
            guard let text = value.string else { throw .malformed("'\(name)' must be a string in 'exec'") }
            return text
        }
        // The Go client sends "" for what it leaves out.
        let main = try text("main").flatMap { $0.isEmpty ? nil : $0 }
        switch kind {
        case "sequence":
            guard let list = WhiskBody.present(object["components"])?.array else {
                throw .malformed("'components' must be defined for sequence kind")
            }
            var components: [String] = []
            for item in list {
                guard let name = item.string else {
                    throw .malformed("'components' must be an array of the names of actions")
                }
                components.append("/" + (try WhiskPath(reference: name, own: own)).description)
            }
            exec = WhiskExec(kind: kind, components: components)
            code = .none
        case "blackbox":
            guard let image = try text("image"), !image.isEmpty else {
                throw .malformed("'image' must be a string defined in 'exec' for 'blackbox' actions")
            }
            (exec, code) = try Self.withCode(
                WhiskExec(kind: kind, main: main, image: image), try text("code") ?? "")
        default:
            if let program = WhiskRuntimes.compiled(kind), let source = try text("code"), !source.isEmpty,
                Base64.decode(source.utf8) != nil
            {
                (exec, code) = try Self.withCode(WhiskExec(kind: program, main: main), source)
                return
            }
            let (resolved, _) = try runtimes.resolve(kind)
            guard let source = try text("code") else {
                throw .malformed(
                    "'code' must be a string or attachment object defined in 'exec' for '\(resolved)' actions")
            }
            (exec, code) = try Self.withCode(WhiskExec(kind: resolved, main: main), source)
            exec.hasCode = true
            if case .none = code { code = .text("") }
        }
    }

    private static func withCode(
        _ exec: WhiskExec, _ text: String
    ) throws(WhiskError) -> (WhiskExec, UploadedCode) {
        guard text.utf8.count <= WhiskBounds.code else {
            throw .tooLarge("exec", text.utf8.count, limit: WhiskBounds.code)
        }
        var exec = exec
        guard !text.isEmpty else { return (exec, .none) }
        exec.hasCode = true
        // Bytes when it reads as Base64 with its padding, as upstream takes it.
        guard let bytes = Base64.decode(text.utf8) else { return (exec, .text(text)) }
        exec.isBinary = true
        return (exec, .bytes(bytes))
    }
}

/// Limits as they are asked for; what is left out stays.
struct WhiskLimitsBody {
    private var timeout: Int64?
    private var memory: Int64?
    private var logs: Int64?
    private var concurrency: Int64?
    private var instances: Int64?

    /// - Parameter concurrent: how many runs a namespace may have at once.
    init(_ value: JSONValue?, concurrent: Int) throws(WhiskError) {
        guard let value else { return }
        guard let object = value.object else { throw .malformed("limits must be an object, not \(value.kindName)") }
        func number(_ name: String) throws(WhiskError) -> Int64? {
            guard let value = WhiskBody.present(object[name]) else { return nil }
            guard let number = value.integer else { throw .malformed("limits: '\(name)' must be a whole number") }
            return number
        }
        timeout = try number("timeout")
        memory = try number("memory")
        logs = try number("logs")
        concurrency = try number("concurrency")
        instances = try number("instances")
        try Self.check(timeout, WhiskBounds.timeout) {
            "duration \($0) milliseconds"
        } bound: {
            "\($0) milliseconds"
        }
        try Self.check(memory, WhiskBounds.memory) {
            "memory size \($0) MB"
        } bound: {
            "\($0) MB"
        }
        try Self.check(logs, WhiskBounds.logs) {
            "log size \($0) MB"
        } bound: {
            "\($0) MB"
        }
        try Self.check(concurrency, WhiskBounds.concurrency) {
            "concurrency \($0)"
        } bound: {
            "\($0)"
        }
        if let instances, instances < 0 {
            throw .malformed("requirement failed: instances \(instances) below allowed threshold of 0")
        }
        if let instances, instances > concurrent {
            throw WhiskError(
                .badRequest,
                "Max action instance concurrency must not exceed your namespace concurrency of \(concurrent).")
        }
    }

    private static func check(
        _ value: Int64?, _ range: ClosedRange<Int64>, _ text: (Int64) -> String, bound: (Int64) -> String
    ) throws(WhiskError) {
        guard let value, !range.contains(value) else { return }
        throw .malformed(
            value > range.upperBound
                ? "requirement failed: \(text(value)) exceeds allowed threshold of \(bound(range.upperBound))"
                : "requirement failed: \(text(value)) below allowed threshold of \(bound(range.lowerBound))")
    }

    func apply(to limits: inout WhiskLimits) {
        limits.timeout = timeout ?? limits.timeout
        limits.memory = memory ?? limits.memory
        limits.logs = logs ?? limits.logs
        limits.concurrency = concurrency ?? limits.concurrency
        limits.instances = instances ?? limits.instances
    }
}
