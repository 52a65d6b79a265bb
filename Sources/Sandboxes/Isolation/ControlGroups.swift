internal import CSandbox
internal import Glibc
internal import Synchronization

/// The control group trees of one launcher: a folder `weir-…` of its own in each hierarchy, in which every worker gets
/// one. See cgroups(7). Whether they are of use is found out by making them.
struct ControlGroups: Sendable {
    /// One folder a tree, in the order of the launcher's protocol; empty: none.
    private(set) var trees = [String](repeating: "", count: Int(weir_group_count.rawValue))
    private(set) var unifiedControls: UInt32 = 0
    /// Which of the three controllers there are, and why not.
    private(set) var failures: [Controller: String] = [:]
    /// A folder that this server had to move into, so that its own may hold others (cgroups(7), "no internal processes").
    private var ownLeaf: (folder: String, parent: String)?

    enum Controller: String, CaseIterable, Sendable {
        case memory, pids, cpu

        var index: Int {
            switch self {
            case .memory: Int(weir_group_memory.rawValue)
            case .pids: Int(weir_group_processes.rawValue)
            case .cpu: Int(weir_group_cpu.rawValue)
            }
        }
        var bit: UInt32 {
            switch self {
            case .memory: UInt32(weir_unified_memory)
            case .pids: UInt32(weir_unified_processes)
            case .cpu: UInt32(weir_unified_cpu)
            }
        }
    }

    private static let made = Atomic<Int>(0)
    private static var unified: Int { Int(weir_group_unified.rawValue) }

    var hasUnified: Bool { !trees[Self.unified].isEmpty }
    var isEmpty: Bool { trees.allSatisfy(\.isEmpty) }
    func has(_ controller: Controller) -> Bool {
        !trees[controller.index].isEmpty || unifiedControls & controller.bit != 0
    }

    /// `v1`, `v2`, `hybrid` or `none`.
    var kind: String {
        let versionOne = Controller.allCases.contains { !trees[$0.index].isEmpty }
        return versionOne ? (hasUnified ? "hybrid" : "v1") : hasUnified ? "v2" : "none"
    }

    /// Makes the trees below this process's own groups, or below the top where it may not there.
    init() {
        let hierarchies = Hierarchy.all()
        let number = Self.made.add(1, ordering: .relaxed).newValue
        let name = "weir-\(getpid())-\(ProcessIdentity.startTime(of: getpid()) ?? 0)-\(number)"
        for controller in Controller.allCases {
            guard let hierarchy = hierarchies.first(where: { $0.controllers.contains(Substring(controller.rawValue)) })
            else {
                failures[controller] = "there is no such controller"
                continue
            }
            switch Self.make(name, in: hierarchy) {
            case .success(let path): trees[controller.index] = path
            case .failure(let error): failures[controller] = error.message
            }
        }
        if let unified = hierarchies.first(where: \.isUnified) { makeUnified(name, unified) }
    }

    /// Ends what is in the groups of workers with a lower slot than this, and removes them. Those of higher ones may belong to
    /// a launcher that was started anew meanwhile.
    func clear(before slot: UInt64) {
        for tree in trees where !tree.isEmpty { Self.removeChildren(of: tree, before: slot) }
    }

    /// Removes everything that was made.
    func remove() {
        for tree in trees where !tree.isEmpty { Self.remove(tree) }
        if let ownLeaf {
            _ = SmallFile.write("-memory -pids -cpu", to: ownLeaf.parent + "/cgroup.subtree_control")
            _ = SmallFile.write(String(getpid()), to: ownLeaf.parent + "/cgroup.procs")
            rmdir(ownLeaf.folder)
        }
    }

    // MARK: Making

    private static func make(_ name: String, in hierarchy: Hierarchy) -> Result<String, SandboxError> {
        var reason = "it is not mounted"
        for parent in hierarchy.candidates {
            sweep(parent)
            let path = parent + "/" + name
            if mkdir(path, 0o755) == 0 { return .success(path) }
            reason = "\(path) cannot be made: \(String(cString: strerror(errno)))"
        }
        return .failure(SandboxError(.resources, reason))
    }

    private mutating func makeUnified(_ name: String, _ hierarchy: Hierarchy) {
        for parent in hierarchy.candidates {
            Self.sweep(parent)
            let path = parent + "/" + name
            let offered = Self.words(parent + "/cgroup.controllers")
            let wanted = Controller.allCases.filter {
                trees[$0.index].isEmpty && offered.contains(Substring($0.rawValue))
            }
            if !wanted.isEmpty, let failure = enable(wanted, in: parent, leaf: name + "-server") {
                for controller in wanted { failures[controller] = failure }
            }
            guard mkdir(path, 0o755) == 0 else { continue }
            let given = Self.words(path + "/cgroup.controllers")
            let usable = wanted.filter { given.contains(Substring($0.rawValue)) }
            let line = usable.map { "+" + $0.rawValue }.joined(separator: " ")
            if !usable.isEmpty, SmallFile.write(line, to: path + "/cgroup.subtree_control") == 0 {
                for controller in usable {
                    unifiedControls |= controller.bit
                    failures[controller] = nil
                }
            }
            trees[Self.unified] = path
            if wanted.isEmpty || !usable.isEmpty { return }
            // Without controllers here: perhaps the top gives them.
            guard parent != hierarchy.candidates.last else { return }
            rmdir(path)
            trees[Self.unified] = ""
        }
    }

    /// Hands controllers down; `nil` when that worked. A group that has processes cannot: this server moves into a leaf.
    private mutating func enable(_ controllers: [Controller], in parent: String, leaf: String) -> String? {
        let file = parent + "/cgroup.subtree_control"
        let line = controllers.map { "+" + $0.rawValue }.joined(separator: " ")
        var error = SmallFile.write(line, to: file)
        if error == EBUSY, ownLeaf == nil {
            let folder = parent + "/" + leaf
            if mkdir(folder, 0o755) == 0, SmallFile.write(String(getpid()), to: folder + "/cgroup.procs") == 0 {
                error = SmallFile.write(line, to: file)
                if error == 0 {
                    ownLeaf = (folder, parent)
                } else {
                    _ = SmallFile.write(String(getpid()), to: parent + "/cgroup.procs")
                }
            }
            if ownLeaf == nil { rmdir(folder) }
        }
        return error == 0 ? nil : "\(file) cannot be written: \(String(cString: strerror(error)))"
    }

    private static func words(_ path: String) -> [Substring] {
        (SmallFile.read(path) ?? "").split(whereSeparator: \.isWhitespace)
    }

    // MARK: Removing

    /// Removes the trees of servers that are gone; processes in them end first.
    private static func sweep(_ parent: String) {
        for name in SmallFile.names(in: parent) where name.hasPrefix("weir-") {
            let parts = name.split(separator: "-")
            guard parts.count >= 4, let pid = Int32(parts[1]), let start = UInt64(parts[2]),
                ProcessIdentity.startTime(of: pid) != start
            else { continue }
            remove(parent + "/" + name)
        }
    }

    private static func removeChildren(of tree: String, before slot: UInt64 = .max) {
        // A worker's group may hold one that a container's runtime made.
        for name in SmallFile.names(in: tree) where UInt64(name).map({ $0 < slot }) ?? name.hasPrefix("weir-") {
            remove(tree + "/" + name)
        }
    }

    private static func remove(_ group: String) {
        removeChildren(of: group)
        if rmdir(group) == 0 || errno == ENOENT { return }
        if SmallFile.write("1", to: group + "/cgroup.kill") != 0 {
            for pid in words(group + "/cgroup.procs") {
                if let pid = Int32(pid), pid != getpid() { kill(pid, SIGKILL) }
            }
        }
        // The kernel lets go of a group when the last of its processes is reaped; waited for, at most a second.
        for _ in 0..<200 where rmdir(group) != 0 && errno == EBUSY { usleep(5_000) }
    }
}

/// One mounted hierarchy, and where this process is in it.
struct Hierarchy: Sendable {
    var controllers: [Substring]
    var isUnified: Bool
    /// Folders below which a tree may be tried, best first: this process's own group, then the top.
    var candidates: [String]

    static func all() -> [Hierarchy] {
        parse(
            groups: SmallFile.read("/proc/self/cgroup") ?? "", mounts: SmallFile.read("/proc/self/mountinfo") ?? "")
    }

    /// From the texts of /proc/self/cgroup and /proc/self/mountinfo (cgroups(7), proc(5)).
    static func parse(groups: String, mounts: String) -> [Hierarchy] {
        var found: [Hierarchy] = []
        for line in mounts.split(separator: "\n") {
            let halves = line.split(separator: " - ", maxSplits: 1)
            guard halves.count == 2 else { continue }
            let left = halves[0].split(separator: " ")
            let right = halves[1].split(separator: " ")
            guard left.count >= 5, right.count >= 3, right[0] == "cgroup" || right[0] == "cgroup2" else { continue }
            let isUnified = right[0] == "cgroup2"
            let controllers = isUnified ? [] : right[2].split(separator: ",").filter { $0 != "rw" && $0 != "ro" }
            guard let own = ownPath(controllers, isUnified, groups) else { continue }
            let mountPoint = unescaped(left[4])
            let root = unescaped(left[3])
            var candidates: [String] = []
            // The mount may show only a part of the hierarchy: what is above its root cannot be reached.
            if root == "/" {
                candidates.append(own == "/" ? mountPoint : mountPoint + own)
            } else if own == root || own.hasPrefix(root + "/") {
                candidates.append(mountPoint + own.dropFirst(root.count))
            }
            if !candidates.contains(mountPoint) { candidates.append(mountPoint) }
            found.append(Hierarchy(controllers: controllers, isUnified: isUnified, candidates: candidates))
        }
        return found
    }

    private static func ownPath(_ controllers: [Substring], _ isUnified: Bool, _ groups: String) -> String? {
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let names = parts[1].split(separator: ",")
            if isUnified ? parts[0] == "0" && names.isEmpty : !names.isEmpty && names.allSatisfy(controllers.contains) {
                return String(parts[2])
            }
        }
        return nil
    }

    /// Mount tables write blanks as octal.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        return String(
            text.replacing("\\040", with: " ").replacing("\\011", with: "\t").replacing("\\134", with: "\\"))
    }
}

/// What tells a process from a later one of the same number.
enum ProcessIdentity {
    /// The children of a process, those of its first thread first, oldest first.
    static func children(of pid: Int32) -> [Int32] {
        // Each thread has its own list of those it has started.
        SmallFile.names(in: "/proc/\(pid)/task").flatMap { thread in
            (SmallFile.read("/proc/\(pid)/task/\(thread)/children") ?? "").split(separator: " ").compactMap {
                Int32($0)
            }
        }
    }

    /// Whether it is there and has not ended.
    static func isRunning(_ pid: Int32) -> Bool {
        guard let text = SmallFile.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return false }
        return !text[end...].hasPrefix(") Z")
    }

    /// Its session (proc(5), field 6 of stat), while it runs.
    static func session(of pid: Int32) -> Int32? {
        guard isRunning(pid), let text = SmallFile.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else {
            return nil
        }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 3 ? Int32(fields[3]) : nil
    }

    /// When it started, in ticks since boot (proc(5), field 22 of stat); `nil` when it is not there.
    static func startTime(of pid: Int32) -> UInt64? {
        guard let text = SmallFile.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}
