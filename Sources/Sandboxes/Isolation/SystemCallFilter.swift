internal import CSandbox
internal import CSeccomp
internal import Glibc

/// Compiles the allow list into the program of the kernel's filter (seccomp(2)), with libseccomp.
enum SystemCallFilter {
    enum Kind: Int, CaseIterable, Sendable {
        /// A worker with namespaces, a user and a control group of its own (and the host's network by permission).
        case standard = 1
        /// A worker with namespaces whose memory no control group counts, or whose user is the server's.
        case careful = 2
        /// A worker that shares the host's namespaces and must not use its network.
        case shared = 3
        /// A worker that shares the host's namespaces and may use its network.
        case sharedWithNetwork = 4
        /// A process that makes sandboxes for others.
        case broad = 5

        fileprivate var groups: [AllowedCalls.Group] {
            switch self {
            case .standard: AllowedCalls.groups + [AllowedCalls.held, AllowedCalls.watches, AllowedCalls.queues]
            case .careful: AllowedCalls.groups + [AllowedCalls.queues]
            case .shared, .sharedWithNetwork: AllowedCalls.groups
            case .broad:
                AllowedCalls.groups + [
                    AllowedCalls.held, AllowedCalls.watches, AllowedCalls.queues, AllowedCalls.broad,
                ]
            }
        }

        fileprivate var sharesNamespaces: Bool { self == .shared || self == .sharedWithNetwork }
    }

    /// Namespace flags of clone(2): CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    private static let namespaceFlags: [UInt64] = [
        0x80, 0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
    ]
    static var allNamespaces: UInt64 { namespaceFlags.reduce(0, |) }

    /// The BPF program.
    static func compile(_ kind: Kind) throws(SandboxError) -> [UInt8] {
        // Everything else: "not permitted", which libraries know how to live with.
        guard let context = seccomp_init(weir_seccomp_refuse(EPERM)) else {
            throw SandboxError(.resources, "libseccomp does not work here")
        }
        defer { seccomp_release(context) }
        var filter = Rules(context: context)
        // Another architecture's calls have other numbers: nothing here makes them.
        seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, weir_seccomp_kill())
        for group in kind.groups {
            for name in group.names where name != "clone" { filter.allow(name) }
        }
        for call in AllowedCalls.byNumber {
            let conditions = call.itself.map { Rules.low($0.argument, $0.value) }
            filter.allow(call.name, kind.sharesNamespaces ? conditions : [])
        }
        if kind == .broad {
            filter.allow("clone")
        } else {
            // Threads and processes, no namespaces. The flags are the first argument here (not so on s390).
            filter.allow("clone", [Rules.masked(0, allNamespaces, 0)])
            // Its flags lie in memory, where a filter cannot look: "not there" makes the C library use clone.
            filter.refuse("clone3", ENOSYS)
        }
        // vsock, netlink, packet and the rest are not confined by a network namespace, or are of no use in one.
        if kind != .shared {
            for family in [AF_UNIX, AF_INET, AF_INET6] { filter.allow("socket", [Rules.low(0, UInt64(family))]) }
        }
        // The kernel looks at the lower 32 bits alone, so the filter must too.
        for request in AllowedCalls.controls { filter.allow("ioctl", [Rules.low(1, request)]) }
        // Linux as it is, and the question which; not the personalities that switch protections off.
        for persona in [0, 0xFFFF_FFFF] as [UInt64] { filter.allow("personality", [Rules.low(0, persona)]) }
        if let failure = filter.failure { throw failure }
        return try export(context)
    }

    private static func export(_ context: scmp_filter_ctx) throws(SandboxError) -> [UInt8] {
        let file = weir_memory_file()
        guard file >= 0 else { throw SandboxError(.resources, "the system refused memory for a filter") }
        defer { close(file) }
        let result = seccomp_export_bpf(context, file)
        let size = lseek(file, 0, SEEK_END)
        guard result == 0, size > 0 else {
            throw SandboxError(
                .resources, "the system call filter cannot be built: \(String(cString: strerror(-result)))")
        }
        var program = [UInt8](repeating: 0, count: Int(size))
        guard pread(file, &program, program.count, 0) == program.count else {
            throw SandboxError(.resources, "the system call filter cannot be read back")
        }
        return program
    }
}

/// Rules as they are added; the first failure is kept.
private struct Rules {
    let context: scmp_filter_ctx
    private(set) var failure: SandboxError?

    init(context: scmp_filter_ctx) { self.context = context }

    /// The lower half of the argument is the value.
    static func low(_ argument: UInt32, _ value: UInt64) -> scmp_arg_cmp { masked(argument, 0xFFFF_FFFF, value) }

    /// The argument's bits of the mask are the value.
    static func masked(_ argument: UInt32, _ mask: UInt64, _ value: UInt64) -> scmp_arg_cmp {
        scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
    }

    mutating func allow(_ name: String, _ conditions: [scmp_arg_cmp] = []) {
        add(name, weir_seccomp_allow(), conditions)
    }

    mutating func refuse(_ name: String, _ error: Int32, _ conditions: [scmp_arg_cmp] = []) {
        // What is refused with the default needs no rule, and the library takes none.
        if error != EPERM || !conditions.isEmpty { add(name, weir_seccomp_refuse(error), conditions) }
    }

    private mutating func add(_ name: String, _ action: UInt32, _ conditions: [scmp_arg_cmp]) {
        // A call that this architecture, or this version of the library, does not have.
        let number = seccomp_syscall_resolve_name(name)
        guard number >= 0 else { return }
        let result = seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions)
        if result != 0, failure == nil {
            failure = SandboxError(
                .resources, "the rule for \(name) cannot be added: \(String(cString: strerror(-result)))")
        }
    }
}
