internal import CSandbox
internal import Glibc

/// How workers are isolated on this host: what was found to work, and the plans made of it.
struct Isolation: Sendable {
    enum Way: Sendable {
        /// Namespaces made with the launcher's own privileges; one user id a worker.
        case privileged
        /// Namespaces below a user namespace of the launcher's, as an ordinary user.
        case rootless
        /// No namespaces: Landlock and the filter.
        case landlock
        case none
    }

    var way: Way
    var report: IsolationReport
    var groups: ControlGroups?
    var landlockVersion: Int
    /// Programs of the filter by kind; empty where seccomp does not work.
    var filters: [[UInt8]]
    /// The system's part of a worker's root.
    var system: [StartPlan.Entry]

    /// User ids of this server's workers: a block of numbers that nobody else is given (systemd's UIDS-GIDS.md lists
    /// 1879048192 to 2147352575 as unused), another for each server process.
    static var firstUser: UInt32 { 1_879_048_192 + UInt32(getpid()) % 4_000 * usersInBlock }
    static var usersInBlock: UInt32 { 65_536 }
    /// The user that a rootless worker sees itself as.
    static var innerUser: UInt32 { 1_000 }
    /// An ordinary user is root of the launcher's namespace, and this one in the worker's.
    static var ordinaryUsers: StartPlan.IDMap { .init(inside: innerUser, outside: 0) }

    /// A plan for a worker; `user` is its own id on the privileged way.
    ///
    /// - Parameter innerUser: the same in the user namespace of a zygote.
    func plan(for sandbox: SandboxSpecification, user: UInt32, innerUser: UInt32? = nil) -> StartPlan {
        var plan = StartPlan()
        guard !sandbox.onlyLimits else {
            // Processes are counted by user where no control group does it, and this one has no user of its own.
            if groups != nil { limit(&plan, sandbox) } else { plan.watchedMemory = UInt64(sandbox.memory) }
            return plan
        }
        guard way != .none else {
            limit(&plan, sandbox)
            return plan
        }
        plan.set(weir_start_confined)
        plan.filter = filters.isEmpty ? nil : way == .privileged && groups != nil ? .standard : .careful
        if way == .landlock {
            confineByLandlock(&plan, sandbox)
            return plan
        }
        for flag in [
            weir_start_new_pid, weir_start_new_mount, weir_start_new_ipc, weir_start_new_uts, weir_start_new_cgroup,
            weir_start_root,
        ] { plan.set(flag) }
        if sandbox.network != .host { plan.set(weir_start_new_net) }
        if sandbox.network == .proxy { plan.set(weir_start_loopback) }
        if way == .privileged {
            plan.set(weir_start_ids)
            (plan.user, plan.group) = (user, user)
        } else {
            plan.set(weir_start_new_user)
            (plan.user, plan.group) = (Self.innerUser, Self.innerUser)
            plan.userMap = Self.ordinaryUsers
            plan.groupMap = Self.ordinaryUsers
        }
        let innerUser = innerUser ?? plan.user
        plan.entries = system + RootFileSystem.own(of: sandbox, user: innerUser, mapsOwners: plan.mapsOwners)
        if landlockVersion >= 2 {
            // The root holds only what may be seen: here Landlock is the second wall, for what a mount or a namespace
            // should have kept out already.
            plan.set(weir_start_landlock)
            plan.landlock.files = LandlockSets.makeDevices | LandlockSets.moveBetweenFolders
            // Denied under any rules on files, unless it is handled and allowed.
            plan.entries.append(
                .init(kind: weir_entry_allow, size: LandlockSets.moveBetweenFolders, target: "/"))
            plan.landlock.scopes = LandlockSets.allScopes(landlockVersion)
            if sandbox.network == .none { plan.landlock.network = LandlockSets.allNetwork(landlockVersion) }
        }
        limit(&plan, sandbox)
        return plan
    }

    private func limit(_ plan: inout StartPlan, _ sandbox: SandboxSpecification) {
        let memory = UInt64(max(sandbox.memory, 16 << 20))
        guard groups != nil else {
            guard way != .none else { return }
            plan.watchedMemory = memory
            // Counted by user: only where the worker has one, or a user namespace, of its own.
            if way != .landlock { plan.processesOfUser = UInt64(sandbox.processes + 1) }
            return
        }
        plan.set(weir_start_groups)
        plan.memory = memory
        // Process 1 is the sandbox's own.
        plan.processes = UInt32(clamping: sandbox.processes + 1)
        plan.cpuWeight = UInt32(clamping: max(2, sandbox.cpuShare * 1_024 / 1_000))
        plan.cpuQuota = sandbox.cpuLimit.map { UInt32(clamping: max(1_000, $0 * 100)) } ?? 0
    }

    private func confineByLandlock(_ plan: inout StartPlan, _ sandbox: SandboxSpecification) {
        plan.set(weir_start_landlock)
        if plan.filter != nil { plan.filter = sandbox.network == .host ? .sharedWithNetwork : .shared }
        plan.landlock.files = LandlockSets.allFiles(landlockVersion)
        plan.landlock.scopes = LandlockSets.allScopes(landlockVersion)
        if sandbox.network != .host { plan.landlock.network = LandlockSets.allNetwork(landlockVersion) }
        plan.entries = RootFileSystem.allowed(for: sandbox, version: landlockVersion)
        limit(&plan, sandbox)
    }
}
