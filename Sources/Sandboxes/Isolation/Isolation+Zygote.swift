internal import CSandbox

/// Processes that fork the programs of other sandboxes: in a user namespace of their own, in which they may do what the
/// launcher does with processes of theirs, and nothing elsewhere.
extension Isolation {
    /// Whether there can be zygotes: they need user namespaces, and a filter to put on whom they fork.
    var hasZygotes: Bool { (way == .privileged || way == .rootless) && !filters.isEmpty }

    /// The users of a zygote and of all that it forks: on the privileged way the whole block of this server, of which the
    /// first is the zygote's own; else there is only one.
    private var users: StartPlan.IDMap {
        way == .privileged
            ? .init(inside: 0, outside: Self.firstUser, count: Self.usersInBlock)
            : Self.ordinaryUsers
    }

    /// A plan for a zygote.
    func plan(forZygote sandbox: SandboxSpecification) -> StartPlan {
        var plan = plan(for: sandbox, user: Self.firstUser, innerUser: users.inside)
        plan.set(weir_start_new_user)
        plan.set(weir_start_broad)
        plan.set(weir_start_zygote)
        plan.userMap = users
        plan.groupMap = users
        plan.filter = .broad
        // Below it are the processes that it forks, each of which is watched by itself; it runs no code but ours.
        plan.watchedMemory = nil
        // What it forks is born in groups beside its own.
        plan.clear(weir_start_new_cgroup)
        // Whom it forks is put under rules of his own.
        plan.clear(weir_start_landlock)
        plan.landlock = LandlockSets()
        plan.entries.removeAll { $0.kind == weir_entry_allow }
        return plan
    }

    /// A plan for a worker that a zygote forks.
    func plan(forked sandbox: SandboxSpecification, user: UInt32, isStem: Bool) -> StartPlan {
        let users = users
        let inner = users.count > 1 ? user - users.outside + users.inside : users.inside
        var plan = plan(for: sandbox, user: user, innerUser: inner)
        // It is born in the zygote's.
        plan.clear(weir_start_new_user)
        plan.userMap = users
        plan.groupMap = users
        if isStem { plan.set(weir_start_stem) }
        return plan
    }
}
