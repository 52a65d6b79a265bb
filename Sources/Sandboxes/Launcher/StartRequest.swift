internal import CSandbox
internal import Glibc

/// The bytes of requests to the launcher.
enum StartRequest {
    static func encode(
        slot: UInt64, _ specification: WorkerSpecification, _ plan: StartPlan, zygote: UInt64? = nil
    ) throws(SandboxError) -> [UInt8] {
        var all = specification.arguments + specification.environment + [specification.directory]
        for entry in plan.entries { all += [entry.source, entry.target] }
        let strings = try strings(all)
        guard MemoryLayout<weir_start>.size + strings.count <= Int(weir_request_bytes),
            specification.arguments.count <= 1024, specification.environment.count <= 1024,
            specification.limits.count < Int(weir_limit_count), plan.entries.count <= Int(weir_entry_count)
        else {
            throw SandboxError(
                .requestTooLarge,
                "arguments, environment and mounts of the worker take \(strings.count) bytes in "
                    + "\(plan.entries.count) mounts, more than a start can hold")
        }
        var request = weir_start()
        request.head = head(
            zygote == nil ? weir_request_start : weir_request_fork, slot: slot, strings: strings.count)
        request.head.flags = plan.flags
        switch specification.framing {
        case .lengthPrefixed: break
        case .lines: request.head.flags |= UInt32(weir_start_on_stdio)
        case .actionLoop: request.head.flags |= UInt32(weir_start_control_is_input)
        }
        request.argument_count = UInt32(specification.arguments.count)
        request.environment_count = UInt32(specification.environment.count)
        var limits = specification.limits
        if let processes = plan.processesOfUser { limits.append(.init(.processes, processes)) }
        request.limit_count = UInt32(limits.count)
        request.entry_count = UInt32(plan.entries.count)
        request.uid = plan.innerUser
        request.gid = plan.innerGroup
        request.zygote = zygote ?? 0
        if let map = plan.userMap { request.uid_map = map.record }
        if let map = plan.groupMap { request.gid_map = map.record }
        request.filter = UInt32(plan.filter?.rawValue ?? 0)
        request.cpu_weight = plan.cpuWeight
        request.cpu_quota = plan.cpuQuota
        request.processes = plan.processes
        request.memory = plan.memory
        request.landlock_files = plan.landlock.files
        request.landlock_network = plan.landlock.network
        request.landlock_scopes = plan.landlock.scopes
        withUnsafeMutableBytes(of: &request.limits) { bytes in
            let places = bytes.bindMemory(to: weir_limit.self)
            for (index, limit) in limits.enumerated() {
                places[index] = weir_limit(resource: number(of: limit.resource), reserved: 0, value: limit.value)
            }
        }
        withUnsafeMutableBytes(of: &request.entries) { bytes in
            let entries = bytes.bindMemory(to: weir_entry.self)
            for (index, entry) in plan.entries.enumerated() {
                entries[index] = weir_entry(
                    kind: UInt16(entry.kind.rawValue), flags: UInt16(entry.flags), mode: entry.mode, size: entry.size,
                    count: entry.count)
            }
        }
        return withUnsafeBytes(of: &request) { Array($0) } + strings
    }

    /// What the launcher is told once, before anything else.
    static func setup(_ isolation: Isolation?, token: UInt64) throws(SandboxError) -> [UInt8] {
        let filters = isolation?.filters ?? []
        let folders =
            isolation?.groups?.trees ?? [String](repeating: "", count: Int(weir_group_count.rawValue))
        let strings = try strings(folders) + filters.flatMap { $0 }
        var request = weir_setup()
        request.head = head(weir_request_setup, strings: strings.count, token: token)
        request.unified_controls = isolation?.groups?.unifiedControls ?? 0
        if isolation?.way == .rootless {
            request.own_user_namespace = 1
            request.uid_map = weir_id_map(inside: 0, outside: getuid(), count: 1)
            request.gid_map = weir_id_map(inside: 0, outside: getgid(), count: 1)
        }
        withUnsafeMutableBytes(of: &request.filter_bytes) { bytes in
            let lengths = bytes.bindMemory(to: UInt32.self)
            for (index, filter) in filters.enumerated() { lengths[index] = UInt32(filter.count) }
        }
        return withUnsafeBytes(of: &request) { Array($0) } + strings
    }

    static func encode(
        kind: weir_request_kind, slot: UInt64, flags: UInt32 = 0, token: UInt64
    ) -> [UInt8] {
        var request = head(kind, slot: slot, token: token)
        request.flags = flags
        return withUnsafeBytes(of: &request) { Array($0) }
    }

    /// Of a mount into a running worker, or out of it.
    static func attach(
        _ kind: weir_request_kind, slot: UInt64, flags: UInt32 = 0, user: UInt32 = 0, bytes: UInt64 = 0,
        files: UInt64 = 0, token: UInt64, strings: [String]
    ) throws(SandboxError) -> [UInt8] {
        let strings = try self.strings(strings)
        var request = weir_attach()
        request.head = head(kind, slot: slot, strings: strings.count, token: token)
        request.head.flags = flags
        (request.uid, request.gid) = (user, user)
        (request.size, request.count) = (bytes, files)
        return withUnsafeBytes(of: &request) { Array($0) } + strings
    }

    static func kill(slot: UInt64) -> [UInt8] {
        var request = head(weir_request_kill, slot: slot)
        return withUnsafeBytes(of: &request) { Array($0) }
    }

    private static func head(
        _ kind: weir_request_kind, slot: UInt64 = 0, strings: Int = 0, token: UInt64 = 0
    ) -> weir_request {
        var request = weir_request()
        request.kind = kind.rawValue
        request.slot = slot
        request.token = token
        request.strings_length = UInt32(strings)
        return request
    }

    private static func strings(_ all: [String]) throws(SandboxError) -> [UInt8] {
        var bytes: [UInt8] = []
        for string in all {
            guard !string.utf8.contains(0) else {
                throw SandboxError(
                    .startFailed, "an argument, environment variable or path of the worker holds a NUL byte")
            }
            bytes.append(contentsOf: string.utf8)
            bytes.append(0)
        }
        return bytes
    }

    private static func number(of resource: WorkerSpecification.ResourceLimit.Resource) -> UInt32 {
        switch resource {
        case .memory: UInt32(RLIMIT_DATA.rawValue)
        case .addressSpace: UInt32(RLIMIT_AS.rawValue)
        case .openFiles: UInt32(RLIMIT_NOFILE.rawValue)
        case .fileSize: UInt32(RLIMIT_FSIZE.rawValue)
        case .coreSize: UInt32(RLIMIT_CORE.rawValue)
        case .processes: UInt32(__RLIMIT_NPROC.rawValue)
        }
    }
}
