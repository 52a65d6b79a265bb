/// The system calls that a worker may make, with the reason for each group. What is not here answers EPERM, so that a
/// library that tries something newer or rarer falls back. Interpreters, compilers' output, shells and numerical
/// libraries were tried with it.
enum AllowedCalls {
    struct Group {
        /// Why they are needed, or harmless.
        var reason: String
        var names: [String]
    }

    static let groups: [Group] = [
        Group(
            reason: "reading and writing what is open already",
            names: [
                "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2",
                "lseek", "_llseek", "sendfile", "sendfile64", "splice", "tee", "vmsplice", "copy_file_range",
                "readahead", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "sync_file_range", "sync_file_range2",
                "fsync", "fdatasync", "sync", "syncfs", "ftruncate", "ftruncate64", "fallocate", "close",
                "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64", "flock",
            ]),
        Group(
            reason: "files by path: what can be reached is what the root file system (or Landlock) shows",
            names: [
                "open", "openat", "openat2", "creat", "access", "faccessat", "faccessat2", "stat", "stat64", "lstat",
                "lstat64", "fstat", "fstat64", "fstatat64", "newfstatat", "statx", "statfs", "statfs64", "fstatfs",
                "fstatfs64", "getdents", "getdents64", "readlink", "readlinkat", "mkdir", "mkdirat", "rmdir", "unlink",
                "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "truncate",
                "truncate64", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "chown32", "fchown", "fchown32",
                "fchownat", "lchown", "lchown32", "utime", "utimes", "utimensat", "utimensat_time64", "futimesat",
                "umask", "getcwd", "chdir", "fchdir", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
                "flistxattr", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
                "inotify_add_watch", "inotify_rm_watch",
            ]),
        Group(
            reason:
                "pipes and fifos; no device nodes come of mknod without capabilities, and their use is off in every mount",
            names: ["pipe", "pipe2", "mknod", "mknodat"]),
        Group(
            reason: "memory of its own, limited by rlimits and control group",
            names: [
                "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "msync", "mincore", "mlock",
                "mlock2", "munlock", "mlockall", "munlockall", "membarrier", "pkey_alloc", "pkey_free", "pkey_mprotect",
                "map_shadow_stack",
            ]),
        Group(
            reason: "threads and child processes, limited in number; new namespaces are refused below",
            names: [
                "clone", "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "waitpid",
                "set_tid_address", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_time64", "futex_waitv",
                "futex_wake", "futex_wait", "futex_requeue", "sched_yield", "sched_getaffinity", "sched_getparam",
                "sched_getscheduler", "sched_getattr", "sched_get_priority_max", "sched_get_priority_min",
                "sched_rr_get_interval", "sched_rr_get_interval_time64", "getpriority", "ioprio_get", "getcpu",
                "arch_prctl", "prctl", "set_thread_area", "get_thread_area", "uname",
            ]),
        Group(
            reason:
                "signals and process numbers: of its own process namespace (at level 1 Landlock and the user id bound them)",
            names: [
                "kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending",
                "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
                "sigaction", "sigprocmask", "sigreturn", "sigaltstack", "signalfd", "signalfd4", "pause", "alarm",
                "getpid", "getppid", "gettid", "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "pidfd_open",
                "pidfd_send_signal", "restart_syscall",
            ]),
        Group(
            reason: "who it is; changing it needs capabilities, which it does not have",
            names: [
                "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getresuid",
                "getresuid32", "getresgid", "getresgid32", "getgroups", "getgroups32", "setuid", "setuid32", "setgid",
                "setgid32", "setreuid", "setreuid32", "setregid", "setregid32", "setresuid", "setresuid32", "setresgid",
                "setresgid32", "setgroups", "setgroups32", "setfsuid", "setfsgid", "capget", "capset",
            ]),
        Group(
            reason: "limits may be lowered, not raised",
            names: ["getrlimit", "ugetrlimit", "setrlimit", "getrusage", "times", "sysinfo"]),
        Group(
            reason: "time: reading, sleeping, timers",
            names: [
                "time", "gettimeofday", "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
                "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "getitimer", "setitimer", "timer_create",
                "timer_settime", "timer_settime64", "timer_gettime", "timer_gettime64", "timer_getoverrun",
                "timer_delete", "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
                "timerfd_gettime64",
            ]),
        Group(
            reason: "waiting for descriptors",
            names: [
                "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create",
                "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
            ]),
        Group(
            reason: "sockets: of the allowed families (below), in its own network namespace",
            names: [
                "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
                "getsockopt", "setsockopt", "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg",
                "recvmmsg", "recvmmsg_time64", "shutdown",
            ]),
        Group(reason: "randomness", names: ["getrandom"]),
        Group(
            reason: "confining itself further: a filter can only be added to",
            names: ["seccomp"]),
        Group(
            reason: "asynchronous file I/O of the older kind, which databases and numerical libraries use",
            names: [
                "io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents",
                "io_pgetevents_time64",
            ]),
    ]

    /// Memory that no process has mapped: only a control group counts it.
    static let held = Group(
        reason:
            "memory behind descriptors, and System V objects in its own ipc namespace, counted by its control group",
        names: [
            "memfd_create", "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semtimedop_time64",
            "semctl", "msgget", "msgsnd", "msgrcv", "msgctl", "ipc",
        ])

    /// The kernel gives a user only so many, and the server may need some itself.
    static let watches = Group(
        reason: "watching files, where the worker's user is not the server's", names: ["inotify_init", "inotify_init1"])

    static let queues = Group(
        reason: "POSIX message queues, by names in its own ipc namespace",
        names: [
            "mq_open", "mq_unlink", "mq_timedsend", "mq_timedsend_time64", "mq_timedreceive", "mq_timedreceive_time64",
            "mq_notify", "mq_getsetattr",
        ])

    /// What can be done to oneself and, by number, to other processes of the same user: beyond a process namespace of its
    /// own only to oneself. The arguments are those that then must have the value.
    static let byNumber: [(name: String, itself: [(argument: UInt32, value: UInt64)])] = [
        ("prlimit64", [(0, 0)]), ("sched_setaffinity", [(0, 0)]), ("sched_setparam", [(0, 0)]),
        ("sched_setscheduler", [(0, 0)]), ("sched_setattr", [(0, 0)]),
        // PRIO_PROCESS, IOPRIO_WHO_PROCESS
        ("setpriority", [(0, 0), (1, 0)]), ("ioprio_set", [(0, 1), (1, 0)]),
    ]

    /// All of them, for a worker that shares nothing with anybody.
    static var all: [String] {
        (groups + [held, watches, queues]).flatMap(\.names) + byNumber.map(\.name)
    }

    /// Requests of ioctl(2), which is a door to every driver: only those of terminals (not TIOCSTI, which puts bytes into a
    /// terminal's input), of descriptors, of files, and the questions about network interfaces.
    static let controls: [UInt64] = [
        // TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCGWINSZ
        0x5401, 0x5402, 0x5403, 0x5404, 0x540F, 0x5410, 0x5411, 0x5413,
        // FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC
        0x541B, 0x5421, 0x5450, 0x5451, 0x5452,
        // FIGETBSZ, FICLONE, FICLONERANGE, FS_IOC_GETFLAGS, FS_IOC_FIEMAP
        0x0002, 0x4004_9409, 0x4020_940D, 0x8008_6601, 0xC020_660B,
        // SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMTU, SIOCGIFHWADDR,
        // SIOCGIFINDEX
        0x8910, 0x8912, 0x8913, 0x8915, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933,
    ]

    /// Only what makes further sandboxes, for the process that forks them: it runs our own code and no function's.
    static let broad = Group(
        reason: "a process that prepares sandboxes makes namespaces, mounts and confinement for others",
        names: [
            "clone3", "unshare", "setns", "mount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick",
            "open_tree", "move_mount", "mount_setattr", "sethostname", "chroot", "landlock_create_ruleset",
            "landlock_add_rule", "landlock_restrict_self",
        ])
}
