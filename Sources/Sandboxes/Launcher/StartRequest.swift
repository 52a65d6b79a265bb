internal import CSandbox
internal import Glibc

/// The bytes of one start request.
enum StartRequest {
    static func encode(slot: UInt64, _ specification: WorkerSpecification) throws(SandboxError) -> [UInt8] {
        var strings: [UInt8] = []
        let all = specification.arguments + specification.environment + [specification.directory]
        for string in all {
            guard !string.utf8.contains(0) else {
                throw SandboxError(.startFailed, "an argument or environment variable of the worker holds a NUL byte")
            }
            strings.append(contentsOf: string.utf8)
            strings.append(0)
        }
        let total = MemoryLayout<weir_request>.size + strings.count
        guard total <= Int(weir_request_bytes), specification.arguments.count <= 1024,
            specification.environment.count <= 1024, specification.limits.count <= Int(weir_limit_count)
        else {
            throw SandboxError(
                .requestTooLarge,
                "arguments and environment of the worker take \(strings.count) bytes, more than a start can hold")
        }
        var request = weir_request()
        request.kind = weir_request_start.rawValue
        request.flags = specification.framing == .lines ? UInt32(weir_start_on_stdio) : 0
        request.slot = slot
        request.argument_count = UInt32(specification.arguments.count)
        request.environment_count = UInt32(specification.environment.count)
        request.strings_length = UInt32(strings.count)
        request.limit_count = UInt32(specification.limits.count)
        withUnsafeMutableBytes(of: &request.limits) { bytes in
            let limits = bytes.bindMemory(to: weir_limit.self)
            for (index, limit) in specification.limits.enumerated() {
                limits[index] = weir_limit(resource: number(of: limit.resource), reserved: 0, value: limit.value)
            }
        }
        return withUnsafeBytes(of: &request) { Array($0) } + strings
    }

    static func encode(kind: weir_request_kind, slot: UInt64 = 0) -> [UInt8] {
        var request = weir_request()
        request.kind = kind.rawValue
        request.slot = slot
        return withUnsafeBytes(of: &request) { Array($0) }
    }

    private static func number(of resource: WorkerSpecification.ResourceLimit.Resource) -> UInt32 {
        switch resource {
        case .memory: UInt32(RLIMIT_DATA.rawValue)
        case .addressSpace: UInt32(RLIMIT_AS.rawValue)
        case .openFiles: UInt32(RLIMIT_NOFILE.rawValue)
        case .fileSize: UInt32(RLIMIT_FSIZE.rawValue)
        case .coreSize: UInt32(RLIMIT_CORE.rawValue)
        }
    }

    /// A failed start as a sentence.
    static func failure(
        stage: Int32, error: Int32, _ specification: WorkerSpecification
    ) -> SandboxError {
        let reason = String(cString: strerror(error))
        let program = specification.arguments.first ?? ""
        return switch UInt32(bitPattern: stage) {
        case weir_stage_exec.rawValue:
            SandboxError(.startFailed, "the program \(program) cannot be started: \(reason)")
        case weir_stage_directory.rawValue:
            SandboxError(.startFailed, "the folder \(specification.directory) cannot be entered: \(reason)")
        case weir_stage_limits.rawValue:
            SandboxError(.startFailed, "the limits of the worker cannot be set: \(reason)")
        default:
            SandboxError(.resources, "the system refused a new worker: \(reason)")
        }
    }
}
