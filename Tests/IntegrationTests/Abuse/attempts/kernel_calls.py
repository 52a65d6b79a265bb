import struct


def clone_flags(flags):
    return syscall(56, flags | 17, 0, 0, 0, 0)


def clone3(flags):
    return syscall(435, struct.pack("11Q", flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)


def main(args):
    target = args["pid"]
    pad = ctypes.create_string_buffer(4096)
    calls = {
        "ptrace attach": lambda: syscall(101, 16, target, 0, 0),
        "ptrace seize": lambda: syscall(101, 0x4206, target, 0, 0),
        "ptrace parent": lambda: syscall(101, 16, os.getppid() or 1, 0, 0),
        "process_vm_readv": lambda: syscall(310, target, pad, 1, pad, 1, 0),
        "process_vm_writev": lambda: syscall(311, 1, pad, 1, pad, 1, 0),
        "pidfd_getfd": lambda: syscall(438, 0, 0, 0),
        "pidfd_open host": lambda: syscall(434, target, 0),
        "mount": lambda: syscall(165, b"none", b"/tmp", b"tmpfs", 0, 0),
        "remount rw": lambda: syscall(165, b"none", b"/", b"none", 32 | 4096, 0),
        "bind": lambda: syscall(165, b"/", b"/tmp", b"none", 4096, 0),
        "umount": lambda: syscall(166, b"/proc", 2),
        "pivot_root": lambda: syscall(155, b"/tmp", b"/tmp"),
        "chroot": lambda: syscall(161, b"/tmp"),
        "open_tree": lambda: syscall(428, -100, b"/", 1),
        "move_mount": lambda: syscall(429, -100, b"/tmp", -100, b"/tmp", 0),
        "fsopen": lambda: syscall(430, b"tmpfs", 0),
        "mount_setattr": lambda: syscall(442, -100, b"/", 0, pad, 32),
        "unshare user": lambda: in_child(lambda: syscall(272, 0x10000000)),
        "unshare mount": lambda: in_child(lambda: syscall(272, 0x20000)),
        "unshare net": lambda: in_child(lambda: syscall(272, 0x40000000)),
        "clone user": lambda: clone_flags(0x10000000),
        "clone pid": lambda: clone_flags(0x20000000),
        "clone3 user": lambda: clone3(0x10000000),
        "setns": lambda: syscall(308, attempt_open("/proc/self/ns/mnt"), 0),
        "mknod": lambda: syscall(133, b"/tmp/device", 0o60600, 0x800),
        "bpf": lambda: syscall(321, 0, pad, 128),
        "perf_event_open": lambda: syscall(298, pad, 0, -1, -1, 0),
        "userfaultfd": lambda: syscall(323, 0),
        "io_uring_setup": lambda: syscall(425, 1, pad),
        "keyctl": lambda: syscall(250, 0, -3, 0, 0, 0),
        "add_key": lambda: syscall(248, b"user", b"x", b"y", 1, -3),
        "request_key": lambda: syscall(249, b"user", b"x", 0, 0),
        "open_by_handle_at": lambda: syscall(304, -100, pad, 0),
        "name_to_handle_at": lambda: syscall(303, -100, b"/", pad, pad, 0),
        "kexec_load": lambda: syscall(246, 0, 0, 0, 0),
        "init_module": lambda: syscall(175, pad, 1, b""),
        "finit_module": lambda: syscall(313, 0, b"", 0),
        "reboot": lambda: syscall(169, 0xFEE1DEAD, 672274793, 0, 0),
        "swapon": lambda: syscall(167, b"/tmp/x", 0),
        "sethostname": lambda: syscall(170, b"x", 1),
        "settimeofday": lambda: syscall(164, pad, 0),
        "clock_settime": lambda: syscall(227, 0, pad),
        "adjtimex": lambda: syscall(159, struct.pack("I", 1) + bytes(204)),
        "acct": lambda: syscall(163, b"/tmp/x"),
        "quotactl": lambda: syscall(179, 0, 0, 0, 0),
        "iopl": lambda: syscall(172, 3),
        "syslog": lambda: syscall(103, 3, pad, 4096),
        "personality": lambda: syscall(135, 0x0040000),
        "fanotify_init": lambda: syscall(300, 0, 0),
        "lookup_dcookie": lambda: syscall(212, 0, pad, 10),
        "migrate_pages": lambda: syscall(256, target, 1, pad, pad),
        "move_pages": lambda: syscall(279, target, 0, 0, 0, 0, 0),
        "kcmp": lambda: syscall(312, target, 1, 0, 0, 0),
        "process_madvise": lambda: syscall(440, 0, pad, 1, 20, 0),
        "memfd_secret": lambda: syscall(447, 0),
        "vhangup": lambda: syscall(153),
        "ioperm": lambda: syscall(173, 0, 1, 1),
        "modify_ldt": lambda: syscall(154, 0, pad, 16),
        "uselib": lambda: syscall(134, b"/x"),
        "setuid 0": lambda: in_child(lambda: syscall(105, 0)) if os.getuid() else "EPERM",
        "setgid 0": lambda: in_child(lambda: syscall(106, 0)) if os.getgid() else "EPERM",
        "setgroups": lambda: in_child(lambda: syscall(116, 0, 0)),
        "capset": lambda: in_child(lambda: syscall(126, struct.pack("II", 0x20080522, 0), struct.pack("6I", 2**21, 2**21, 0, 0, 0, 0))),
        "raise file limit": lambda: in_child(lambda: attempt(lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20)))),
        "raise core limit": lambda: in_child(lambda: attempt(lambda: __import__("resource").setrlimit(4, (1 << 30, 1 << 30)))),
        "nice down": lambda: in_child(lambda: attempt(lambda: os.nice(-5))),
        "real time": lambda: in_child(lambda: syscall(144, 0, 1, struct.pack("i", 50))),
        "set_mempolicy": lambda: syscall(238, 0, 0, 0),
        "mbind": lambda: syscall(237, 0, 0, 0, 0, 0, 0),
        "get_mempolicy": lambda: syscall(239, 0, 0, 0, 0, 0),
        "landlock_create_ruleset": lambda: syscall(444, 0, 0, 1),
        "landlock_add_rule": lambda: syscall(445, -1, 1, pad, 0),
        "landlock_restrict_self": lambda: syscall(446, -1, 0),
        "io_uring_enter": lambda: syscall(426, 0, 0, 0, 0, 0, 0),
        "io_uring_register": lambda: syscall(427, 0, 0, 0, 0),
        "clock_adjtime": lambda: syscall(305, 0, struct.pack("I", 1) + bytes(204)),
        "fsmount": lambda: syscall(432, 0, 0, 0),
        "fsconfig": lambda: syscall(431, 0, 0, 0, 0, 0),
        "unshare cgroup": lambda: in_child(lambda: syscall(272, 0x02000000)),
        "unshare time": lambda: in_child(lambda: syscall(272, 0x80)),
        "clone cgroup": lambda: clone_flags(0x02000000),
        "TIOCLINUX": lambda: syscall(16, 0, 0x541C, b"x"),
        "TIOCSTI": lambda: syscall(16, 0, 0x5412, b"x"),
    }
    return {name: call() for name, call in calls.items()}


def attempt_open(path):
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return -1
