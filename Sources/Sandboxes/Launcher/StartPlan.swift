internal import CSandbox

/// What the launcher is told of a worker beside its program: numbers and names, no policy left.
struct StartPlan: Sendable {
    /// One entry of the root file system, see `weir_entry` in launcher_protocol.h.
    struct Entry: Sendable {
        var kind: weir_entry_kind
        var flags: UInt32 = 0
        var mode: UInt32 = 0o755
        var size: UInt64 = 0
        var count: UInt64 = 0
        var source = ""
        /// Without the leading slash, but of `allow`.
        var target: String
    }

    struct IDMap: Sendable, Equatable {
        var inside: UInt32
        var outside: UInt32
        var count: UInt32 = 1

        var record: weir_id_map { weir_id_map(inside: inside, outside: outside, count: count) }
    }

    var flags: UInt32 = 0
    var entries: [Entry] = []
    var user: UInt32 = 0
    var group: UInt32 = 0
    var userMap: IDMap?
    var groupMap: IDMap?
    var filter: SystemCallFilter.Kind?
    var memory: UInt64 = 0
    var processes: UInt32 = 0
    var cpuWeight: UInt32 = 0
    var cpuQuota: UInt32 = 0
    /// Processes of its user, where no control group counts them.
    var processesOfUser: UInt64?
    /// The memory of the tree that the server watches over, where no control group does.
    var watchedMemory: UInt64?
    /// Its folder for temporary files, where it has no file system of its own for that.
    var privateFolder: String?
    var landlock = LandlockSets()

    /// Its user as its own user namespace numbers it.
    var innerUser: UInt32 { Self.inner(user, userMap) }
    var innerGroup: UInt32 { Self.inner(group, groupMap) }

    /// Only a map of many ids is one of numbers that the launcher gives out.
    private static func inner(_ id: UInt32, _ map: IDMap?) -> UInt32 {
        guard let map, map.count > 1 else { return id }
        return id - map.outside + map.inside
    }

    mutating func set(_ flag: Int) { flags |= UInt32(flag) }
    mutating func clear(_ flag: Int) { flags &= ~UInt32(flag) }
    func has(_ flag: Int) -> Bool { flags & UInt32(flag) != 0 }

    var hasProcessNamespace: Bool { has(weir_start_new_pid) }

    /// Whether what a mount's owner owns can be made to belong to the worker's own user: only where that is another.
    var mapsOwners: Bool { has(weir_start_ids) }

    /// The level of isolation that this gives.
    var level: Int {
        if has(weir_start_root) { return has(weir_start_groups) ? 3 : 2 }
        return has(weir_start_landlock) && filter != nil ? 1 : 0
    }
}

/// What Landlock denies unless an entry allows it: rights on files, on the network, and scopes. See landlock(7).
struct LandlockSets: Sendable {
    var files: UInt64 = 0
    var network: UInt64 = 0
    var scopes: UInt64 = 0

    static var execute: UInt64 { 1 }
    static var makeDevices: UInt64 { 1 << 6 | 1 << 11 }
    static var moveBetweenFolders: UInt64 { 1 << 13 }
    /// Execute, read files, list folders.
    static var reading: UInt64 { 1 | 1 << 2 | 1 << 3 }
    /// All rights on files that the kernel's version of Landlock knows.
    static func allFiles(_ version: Int) -> UInt64 {
        switch version {
        case ..<1: 0
        case 1: (1 << 13) - 1
        case 2: (1 << 14) - 1
        case 3, 4: (1 << 15) - 1
        default: (1 << 16) - 1
        }
    }
    /// Binding and connecting TCP sockets.
    static func allNetwork(_ version: Int) -> UInt64 { version >= 4 ? 3 : 0 }
    /// Abstract unix sockets and signals to processes outside.
    static func allScopes(_ version: Int) -> UInt64 { version >= 6 ? 3 : 0 }
}
