internal import CloudEvents

/// The `config.json` of a bundle (OCI runtime specification): a container that sees its root and nothing else.
struct BundleConfiguration {
    var arguments: [String]
    var environment: [String]
    var workingDirectory: String
    var user: ImageUser
    /// The ids of the host that root of the container and those behind it are; `nil`: the runtime makes no user
    /// namespace.
    var identities: (base: UInt32, count: UInt32)?
    /// Whether the runtime makes the network namespace.
    var hasNetwork: Bool
    /// Where its groups go, below the caller's; `nil`: nowhere.
    var cgroup: String?
    /// What that group limits: bytes, processes.
    var limits: (memory: Int64, processes: Int)?
    /// Bytes of memory that each process may take, where no group limits them together.
    var addressSpace: Int64?
    var systemCalls: JSONValue?
    /// Where `hosts` and `resolv.conf` lie.
    var files: String

    var document: JSONValue {
        var namespaces = ["pid", "ipc", "uts", "mount"]
        if hasNetwork { namespaces.append("network") }
        if identities != nil { namespaces.append("user") }
        var linux: JSONObject = [
            "namespaces": .array(namespaces.map { ["type": .string($0)] }),
            // What of the kernel is not the container's business; the list is the one that Docker's users know.
            "maskedPaths": .array(
                [
                    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                    "/proc/latency_stats",
                    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
                    "/sys/devices/virtual/powercap",
                ].map { .string($0) }),
            "readonlyPaths": .array(
                ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map { .string($0) }),
            "resources": resources,
        ]
        if let identities {
            let map: JSONValue = [
                [
                    "containerID": 0, "hostID": .integer(Int64(identities.base)),
                    "size": .integer(Int64(identities.count)),
                ]
            ]
            linux["uidMappings"] = map
            linux["gidMappings"] = map
        }
        // A server of an image may listen below 1024 without a capability: its network is its own.
        if hasNetwork { linux["sysctl"] = ["net.ipv4.ip_unprivileged_port_start": "0"] }
        linux["cgroupsPath"] = cgroup.map { .string($0) }
        linux["seccomp"] = systemCalls
        return [
            "ociVersion": "1.0.2", "process": process, "root": ["path": "rootfs", "readonly": false],
            "hostname": "container", "mounts": .array(mounts), "linux": .object(linux),
        ]
    }

    private var resources: JSONValue {
        var resources: JSONObject = ["devices": [["allow": false, "access": "rwm"]]]
        if let limits {
            resources["memory"] = ["limit": .integer(limits.memory), "swap": .integer(limits.memory)]
            resources["pids"] = ["limit": .integer(Int64(limits.processes))]
        }
        return .object(resources)
    }

    private var process: JSONValue {
        let none: JSONValue = []
        var limits: [JSONValue] = [
            ["type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024], ["type": "RLIMIT_CORE", "soft": 0, "hard": 0],
        ]
        if let addressSpace {
            limits.append(["type": "RLIMIT_DATA", "soft": .integer(addressSpace), "hard": .integer(addressSpace)])
        }
        return [
            "terminal": false,
            "user": [
                "uid": .integer(user.user), "gid": .integer(user.group),
                "additionalGids": .array(user.groups.map { .integer($0) }),
            ],
            "args": .array(arguments.map { .string($0) }), "env": .array(environment.map { .string($0) }),
            "cwd": .string(workingDirectory),
            "capabilities": [
                "bounding": none, "effective": none, "inheritable": none, "permitted": none, "ambient": none,
            ],
            "noNewPrivileges": true, "rlimits": .array(limits), "oomScoreAdj": 500,
        ]
    }

    private var mounts: [JSONValue] {
        func mount(_ target: String, _ type: String, _ source: String, _ options: [String]) -> JSONValue {
            [
                "destination": .string(target), "type": .string(type), "source": .string(source),
                "options": .array(options.map { .string($0) }),
            ]
        }
        var mounts = [
            mount("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "/dev/pts", "devpts", "devpts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/etc/hosts", "bind", files + "/hosts", ["bind", "ro", "nosuid", "nodev", "noexec"]),
            mount("/etc/resolv.conf", "bind", files + "/resolv.conf", ["bind", "ro", "nosuid", "nodev", "noexec"]),
        ]
        // The kernel shows /sys only of a network namespace that the container owns.
        if hasNetwork { mounts.append(mount("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])) }
        return mounts
    }
}
