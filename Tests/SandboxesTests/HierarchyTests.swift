import CSandbox
import Testing

@testable import Sandboxes

/// Where a process is in the control groups, read from what the kernel writes on different hosts.
struct HierarchyTests {
    @Test func versionTwoAlone() {
        let found = Hierarchy.parse(
            groups: "0::/system.slice/weir.service\n",
            mounts: "24 30 0:21 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n")
        #expect(found.count == 1)
        #expect(found.first?.isUnified == true)
        #expect(found.first?.candidates == ["/sys/fs/cgroup/system.slice/weir.service", "/sys/fs/cgroup"])
    }

    @Test func versionOneWithCombinedControllersAndAHybridTree() {
        let found = Hierarchy.parse(
            groups:
                "5:cpu,cpuacct:/user.slice\n3:memory:/user.slice/session-1.scope\n1:name=systemd:/x\n0::/unified/me\n",
            mounts: """
                31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
                33 25 0:29 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
                34 25 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
                26 25 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
                40 25 0:33 / /proc rw - proc proc rw
                """)
        func candidates(_ controller: Substring) -> [String]? {
            found.first { $0.controllers.contains(controller) }?.candidates
        }
        #expect(candidates("cpu")?.first == "/sys/fs/cgroup/cpu,cpuacct/user.slice")
        #expect(candidates("memory")?.first == "/sys/fs/cgroup/memory/user.slice/session-1.scope")
        #expect(found.first { $0.isUnified }?.candidates.first == "/sys/fs/cgroup/unified/unified/me")
    }

    @Test func aContainerSeesAPartOfTheTree() {
        let found = Hierarchy.parse(
            groups: "3:memory:/docker/abc/inner\n",
            mounts: "33 25 0:29 /docker/abc /sys/fs/cgroup/my\\040memory ro - cgroup cgroup rw,memory\n")
        #expect(found.first?.candidates == ["/sys/fs/cgroup/my memory/inner", "/sys/fs/cgroup/my memory"])
        let elsewhere = Hierarchy.parse(
            groups: "3:memory:/other\n",
            mounts: "33 25 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n")
        #expect(elsewhere.first?.candidates == ["/sys/fs/cgroup/memory"])
    }

    @Test(arguments: [
        "", "nonsense", "1 2 3 - cgroup2", "a - cgroup - x\n::\n0::", "33 25 0:29 / /x rw - cgroup cgroup",
    ])
    func whatIsNoTableIsNoTree(text: String) {
        _ = Hierarchy.parse(groups: text, mounts: text)
        #expect(Hierarchy.parse(groups: "", mounts: text).isEmpty)
    }
}

/// The allow list as the kernel gets it.
struct SystemCallFilterTests {
    @Test(arguments: SystemCallFilter.Kind.allCases) func theListCompiles(kind: SystemCallFilter.Kind) throws {
        let program = try SystemCallFilter.compile(kind)
        #expect(program.count % 8 == 0)
        #expect(program.count > 200 && program.count <= Int(weir_filter_bytes))
    }

    @Test func eachGroupHasAReasonAndNoNameStandsTwice() {
        let names = AllowedCalls.all
        #expect(Set(names).count == names.count)
        #expect(AllowedCalls.groups.allSatisfy { !$0.reason.isEmpty && !$0.names.isEmpty })
        // What would undo the sandbox, or reaches into other processes or the kernel's inside.
        for name in [
            "mount", "umount2", "pivot_root", "unshare", "setns", "ptrace", "process_vm_readv", "process_vm_writev",
            "bpf",
            "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl", "add_key", "kexec_load", "init_module",
            "open_by_handle_at", "pidfd_getfd", "clone3", "chroot", "swapon", "reboot", "modify_ldt", "socket", "ioctl",
        ] { #expect(!names.contains(name), "\(name)") }
    }
}
