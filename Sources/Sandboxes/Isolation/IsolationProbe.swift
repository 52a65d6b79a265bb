internal import CSandbox
internal import Glibc
internal import Logging
internal import Synchronization

/// Finds out what this host gives, by doing it: each feature in a throw-away process of a launcher of its own, then all
/// together with a real program, in the way in which workers are started.
struct IsolationProbe: Sendable {
    let configuration: Launcher.Configuration
    let logger: Logger

    func run(minimum: Int, maximum: Int) async -> Isolation {
        PrivateFolder.sweep()
        var isolation = Isolation(
            way: .none, report: IsolationReport(level: 0, maximum: maximum, minimum: minimum), groups: nil,
            landlockVersion: Int(weir_landlock_version()), filters: [], system: RootFileSystem.system())
        var features: [IsolationReport.Feature] = []
        let filterFailure = compileFilters(&isolation)
        let groups = maximum >= 3 ? ControlGroups() : nil

        // What kept the better ways from working.
        var refused: [IsolationReport.Feature] = []
        var ways: [Isolation.Way] = []
        if maximum >= 2 { ways += [.privileged, .rootless] }
        if maximum >= 1 { ways.append(.landlock) }
        for way in ways {
            isolation.way = way
            isolation.groups = nil
            if let trial = await Trial(isolation, way == .landlock ? nil : groups, configuration, logger) {
                let outcome = await trial.namespaces(filterFailure: filterFailure)
                features = outcome.features
                if outcome.works, way != .landlock, let groups {
                    isolation.groups = await usable(groups, trial, &features)
                } else if way != .landlock, maximum >= 3 {
                    features.append(.init("control groups", failure: "not tried"))
                }
                await trial.stop()
                if outcome.works {
                    isolation.report.level = way == .landlock ? 1 : isolation.groups == nil ? 2 : 3
                    break
                }
                if let first = outcome.features.first(where: { $0.failure != nil }) {
                    refused.append(.init(way.title, failure: "\(first.name): \(first.failure ?? "")"))
                }
            }
            isolation.way = .none
        }
        if isolation.groups == nil { groups?.remove() }
        isolation.report.features = isolation.way == .none ? features : refused + features
        isolation.report.controlGroups = isolation.groups?.kind ?? "none"
        return isolation
    }

    /// No isolation, but control groups if they work.
    func limits() async -> Isolation {
        var isolation = Isolation(
            way: .none, report: IsolationReport(level: 0, maximum: 0, minimum: 0), groups: nil, landlockVersion: 0,
            filters: [], system: [])
        let groups = ControlGroups()
        var features: [IsolationReport.Feature] = []
        if let trial = await Trial(isolation, groups, configuration, logger) {
            isolation.groups = await usable(groups, trial, &features)
            await trial.stop()
        }
        if isolation.groups == nil { groups.remove() }
        isolation.report.features = features
        isolation.report.controlGroups = isolation.groups?.kind ?? "none"
        return isolation
    }

    private func compileFilters(_ isolation: inout Isolation) -> String? {
        do throws(SandboxError) {
            var filters: [[UInt8]] = []
            for kind in SystemCallFilter.Kind.allCases { filters.append(try SystemCallFilter.compile(kind)) }
            isolation.filters = filters
            return nil
        } catch {
            return error.message
        }
    }

    /// The groups when memory and processes of a tree can be limited with them, else `nil`.
    private func usable(
        _ groups: ControlGroups, _ trial: Trial, _ features: inout [IsolationReport.Feature]
    ) async -> ControlGroups? {
        let failure = await trial.whole(inGroups: groups)
        for controller in ControlGroups.Controller.allCases {
            let missing = groups.has(controller) ? nil : groups.failures[controller] ?? "not given"
            features.append(.init("limit of \(controller.title)", failure: missing ?? failure))
        }
        features.append(
            .init(
                "freezing and ending by control group", failure: groups.hasUnified ? failure : "there is no version 2"))
        return failure == nil && groups.has(.memory) && groups.has(.pids) ? groups : nil
    }
}

extension Isolation.Way {
    fileprivate var title: String {
        switch self {
        case .privileged: "namespaces by own privileges"
        case .rootless: "namespaces below a user namespace"
        case .landlock: "confinement without namespaces"
        case .none: "no isolation"
        }
    }
}

extension ControlGroups.Controller {
    fileprivate var title: String {
        switch self {
        case .memory: "memory"
        case .pids: "processes"
        case .cpu: "processor time"
        }
    }
}

/// One way, tried.
private struct Trial: Sendable {
    let isolation: Isolation
    let launcher: Launcher

    /// - Parameter groups: those that ``whole(inGroups:)`` may use; nothing else does.
    init?(
        _ isolation: Isolation, _ groups: ControlGroups?, _ configuration: Launcher.Configuration, _ logger: Logger
    ) async {
        self.isolation = isolation
        guard let launcher = try? Launcher(configuration, logger: logger) else { return nil }
        self.launcher = launcher
        var setup = isolation
        setup.groups = groups
        launcher.use(setup)
    }

    func stop() async { await launcher.stop() }

    private static let sandbox = SandboxSpecification(memory: 64 << 20, processes: 32, temporaryFiles: 64)

    /// Another user for each trial: processes of one user are counted together.
    private let user = Isolation.firstUser + UInt32.random(in: 0..<Isolation.usersInBlock)
    private var plan: StartPlan { plan(inGroups: nil) }

    private func plan(inGroups groups: ControlGroups?) -> StartPlan {
        var isolation = isolation
        isolation.groups = groups
        return isolation.plan(for: Self.sandbox, user: user)
    }

    /// Each feature by itself, and all together.
    func namespaces(filterFailure: String?) async -> (works: Bool, features: [IsolationReport.Feature]) {
        var features: [IsolationReport.Feature] = []
        var tries: [(name: String, plan: StartPlan)] = []
        if isolation.way != .landlock {
            var base = StartPlan()
            if isolation.way == .rootless {
                base.set(weir_start_new_user)
                (base.userMap, base.groupMap) = (plan.userMap, plan.groupMap)
                tries.append(("user namespace", base))
            }
            for (name, flag) in [
                ("process namespace", weir_start_new_pid), ("mount namespace", weir_start_new_mount),
                ("ipc namespace", weir_start_new_ipc), ("host name namespace", weir_start_new_uts),
                ("control group namespace", weir_start_new_cgroup),
                ("network namespace", weir_start_new_net | weir_start_loopback),
            ] {
                var one = base
                one.set(flag)
                tries.append((name, one))
            }
            var root = plan
            root.flags &= ~UInt32(weir_start_landlock)
            root.filter = nil
            tries.append(("root file system", root))
        }
        var confined = StartPlan()
        confined.set(weir_start_confined)
        var filtered = confined
        filtered.filter = .standard
        if let filterFailure {
            features.append(.init("system call filter", failure: filterFailure))
        } else {
            tries.append(("system call filter", filtered))
        }
        // Before version 6 it does not keep signals and abstract sockets inside, which level 1 stands on.
        if isolation.landlockVersion < 6 {
            let version = isolation.landlockVersion
            features.append(
                .init(
                    "Landlock",
                    failure: version == 0
                        ? "this kernel has none, or it is switched off"
                        : "this kernel has version \(version), 6 is needed"))
        } else {
            var walled = confined
            walled.set(weir_start_landlock)
            walled.landlock.files = LandlockSets.allFiles(isolation.landlockVersion)
            walled.landlock.scopes = LandlockSets.allScopes(isolation.landlockVersion)
            tries.append(("Landlock", walled))
        }
        // All at once: each takes some milliseconds, and a server is to start at once.
        let failures = await withTaskGroup(of: (Int, String?).self) { group in
            for (index, one) in tries.enumerated() { group.addTask { (index, await dry(one.plan)) } }
            return await group.reduce(into: [String?](repeating: nil, count: tries.count)) { $0[$1.0] = $1.1 }
        }
        for (one, failure) in zip(tries, failures) { features.append(.init(one.name, failure: failure)) }
        let failed = Set(features.filter { $0.failure != nil }.map(\.name))
        let isNeeded = { (name: String) in name != "Landlock" || isolation.way == .landlock }
        guard !failed.contains(where: isNeeded) else { return (false, features) }
        let failure = await whole()
        features.append(.init("all together", failure: failure))
        return (failure == nil, features)
    }

    /// A start that ends where the program would begin; what went wrong.
    private func dry(_ plan: StartPlan) async -> String? {
        var plan = plan
        plan.set(weir_start_dry)
        let end = await end(of: plan, ["/bin/sh"]) { _ in }
        return Self.failure(end)
    }

    /// A shell in a whole sandbox, with everything that is done to running ones.
    func whole(inGroups groups: ControlGroups? = nil) async -> String? {
        let failures = Mutex<[String]>([])
        let canAttach = isolation.way == .privileged || isolation.way == .rootless
        let end = await end(of: plan(inGroups: groups), ["/bin/sh", "-c", "read line; test \"$line\" = go"]) { worker in
            let note: @Sendable (SandboxError?) -> Void = { error in
                if let error { failures.withLock { $0.append(error.message) } }
            }
            // The shell ends when it has read its line: only after the last answer.
            let release: @Sendable (SandboxError?) -> Void = { error in
                note(error)
                worker.send(Array("go\n".utf8))
            }
            worker.freeze(then: note)
            worker.thaw(then: canAttach ? note : release)
            if canAttach {
                worker.attach([SandboxMount(source: "/usr", target: "/layers/probe")], then: note)
                worker.detach("/layers/probe", then: release)
            }
        }
        return failures.withLock { $0.first } ?? Self.failure(end)
    }

    private static func failure(_ end: WorkerEnd) -> String? {
        switch end {
        case .exited(let record):
            if record.status == 0 { return nil }
            return record.status.map { "a shell ended with status \($0)" } ?? "a shell ended by signal \(record.signal)"
        case .notStarted(let error): return error.message
        case .launcherLost: return "the launcher ended"
        }
    }

    private func end(
        of plan: StartPlan, _ arguments: [String], _ body: @escaping @Sendable (Worker) -> Void
    ) async -> WorkerEnd {
        let specification = WorkerSpecification(
            arguments: arguments, environment: ["PATH=/usr/bin:/bin"], directory: "/", limits: [], framing: .lines,
            maximumMessage: 1_024)
        return await withCheckedContinuation { continuation in
            do throws(SandboxError) {
                let worker = try launcher.start(specification, plan, handler: ProbeHandler(continuation))
                body(worker)
            } catch {
                continuation.resume(returning: .notStarted(error))
            }
        }
    }
}

/// Waits for the end of one trial.
private final class ProbeHandler: WorkerHandler {
    private let continuation: CheckedContinuation<WorkerEnd, Never>

    init(_ continuation: CheckedContinuation<WorkerEnd, Never>) { self.continuation = continuation }

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {}
    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {}
    func worker(_ worker: Worker, misbehaved reason: String) {}
    func worker(_ worker: Worker, ended end: WorkerEnd) { continuation.resume(returning: end) }
}
