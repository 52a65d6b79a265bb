internal import CloudEvents
internal import Functions
internal import Glibc

/// Workers that the functions of a namespace share which say so: one interpreter, a module for each function.
///
/// What separates such functions from each other is what separates modules of one program: a tenant's own small functions,
/// of which there may be thousands, then need no process each.
extension FunctionVersion {
    /// What the workers of functions belong to that share them: the namespace and all that holds for a process.
    var host: FunctionVersion {
        var host = FunctionVersion(
            namespace: namespace, name: Self.hostName, digest: hostDigest, runtime: runtime, entry: "",
            codeDirectory: codeDirectory)
        host.limits = limits
        return host
    }

    /// No function is called so: names have no parentheses.
    static var hostName: String { "(shared)" }

    var hostDigest: String {
        "\(runtime.rawValue)/\(limits.memory)/\(limits.timeout)/\(limits.logs)/\(limits.concurrency)"
    }
}

/// The functions that a shared worker has loaded.
struct LoadedFunctions {
    /// A worker that has loaded so many is ended, and with it the code of versions that nobody calls any more.
    static let limit = 1_000

    private var numbers: [String: (number: Int, kind: WorkerSession.HandlerKind)] = [:]
    /// The number of the function that is being loaded.
    private(set) var loading: Int?

    /// The number of the function whose call ran last, or runs.
    var running: Int?
    /// Bytes by which the worker had grown when the last function was loaded.
    var grown: Int64 = 0

    var count: Int { numbers.count }

    /// Whether the worker is better replaced: modules stay, and they share the memory of one worker.
    func isUsedUp(of memory: Int64) -> Bool { numbers.count >= Self.limit || grown > memory / 2 }

    func find(_ version: FunctionVersion) -> (number: Int, kind: WorkerSession.HandlerKind)? {
        numbers[Self.key(version)]
    }

    /// The number of a function that is to be loaded now.
    mutating func begin() -> Int {
        let number = numbers.count
        loading = number
        return number
    }

    mutating func end(_ version: FunctionVersion, _ kind: WorkerSession.HandlerKind?) {
        if let number = loading, let kind { numbers[Self.key(version)] = (number, kind) }
        loading = nil
    }

    /// A digest holds code and settings, and equal functions may have different names.
    private static func key(_ version: FunctionVersion) -> String { "\(version.name)\n\(version.digest)" }
}

/// What a shared worker is sent so that it loads a function.
enum SharedCode {
    static func frame(_ version: FunctionVersion, number: Int, code: [UInt8]) -> [UInt8] {
        var head = JSONObject(members: [
            .init(name: "load", value: .integer(Int64(number))),
            .init(name: "name", value: .string(version.name)),
            .init(name: "version", value: .string(version.digest)),
            .init(name: "entry", value: .string(version.entry)),
            .init(name: "params", value: .object(version.parameters)),
        ])
        if let handler = version.handler { head["handler"] = .string(handler) }
        if let call = version.call { head["call"] = .string(call.rawValue) }
        return CallFrame.message(.object(head), data: code)
    }

    /// A function's one file, of what is too long a little more than may be; `nil` when it cannot be read.
    static func read(_ version: FunctionVersion) -> [UInt8]? {
        let file = open(version.codeDirectory + "/" + version.entry, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        while bytes.count <= FunctionScaling.sharedCodeLimit {
            let count = withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer -> Int in
                let count = Glibc.read(file, buffer.baseAddress, buffer.count)
                if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
                return count
            }
            if count == 0 { return bytes }
            if count < 0, errno != EINTR { return nil }
        }
        return bytes
    }
}
