#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What the server and the launcher say to each other: one fixed struct a message on a SEQPACKET socket, file
// descriptors beside it (SCM_RIGHTS). The only variable part is the strings behind the struct; their number and total
// length stand in it and are checked before anything is used. All policy is in the numbers and strings of the server:
// which namespaces, what the root file system holds, which limits, which system calls.

enum weir_request_kind {
    weir_request_setup = 1,   // struct weir_setup; once, before anything else
    weir_request_start = 2,   // struct weir_start
    weir_request_kill = 3,    // struct weir_request, as all further ones but where said
    weir_request_stats = 4,
    weir_request_attach = 5,  // struct weir_attach: mounts something into a running sandbox
    weir_request_detach = 6,  // struct weir_attach: takes it out again
    weir_request_freeze = 7,
    weir_request_thaw = 8,
    weir_request_fork = 10,   // struct weir_start with a zygote: that one forks the program
    weir_request_listen = 9,  // a listening TCP socket on 127.0.0.1 inside the sandbox; `flags` is the port, 0 for any
};

enum weir_reply_kind {
    weir_reply_done = 1,     // to setup, attach, detach, freeze, thaw, listen
    weir_reply_started = 2,
    weir_reply_exited = 3,
    weir_reply_stats = 4,
};

// What a request that failed was about.
enum weir_stage {
    weir_stage_none = 0,
    weir_stage_request,    // the request itself is not well-formed
    weir_stage_descriptors,
    weir_stage_fork,       // the process, or one of its namespaces
    weir_stage_session,
    weir_stage_directory,
    weir_stage_limits,
    weir_stage_exec,
    weir_stage_identity,   // ids, id maps, capabilities
    weir_stage_groups,     // control groups
    weir_stage_network,
    weir_stage_root,       // the root file system itself
    weir_stage_entry,      // one entry of it; `detail` is its index
    weir_stage_landlock,   // `detail` is the index of the entry, or the number of entries
    weir_stage_filter,     // seccomp
    weir_stage_slot,       // there is no such slot, or it cannot do this
    weir_stage_namespace,  // the running sandbox's namespace cannot be entered
    weir_stage_source,     // what is to be attached
    weir_stage_target,     // where it is to be attached
    weir_stage_zygote,     // the process that is to fork, or its namespaces
};

// Flags of a start.
enum {
    // The worker speaks on stdin and stdout (two pipes) instead of a socket pair on descriptor 3.
    weir_start_on_stdio = 1 << 0,
    // Namespaces of its own. With a process namespace the program is process 2 below a small process 1.
    weir_start_new_user = 1 << 1,
    weir_start_new_pid = 1 << 2,
    weir_start_new_mount = 1 << 3,
    weir_start_new_ipc = 1 << 4,
    weir_start_new_uts = 1 << 5,
    weir_start_new_net = 1 << 6,
    weir_start_loopback = 1 << 7,   // the loopback interface of its own network is up
    weir_start_root = 1 << 8,       // a root file system of its own, made of the entries
    weir_start_ids = 1 << 9,        // becomes `uid` and `gid`, without other groups
    weir_start_confined = 1 << 10,  // no capabilities, no_new_privs
    weir_start_landlock = 1 << 11,  // the entries of kind `allow`, and the three handled sets
    weir_start_groups = 1 << 12,    // in control groups of its own
    weir_start_dry = 1 << 13,       // everything but the program: ends with status 0 instead
    weir_start_broad = 1 << 14,     // keeps its capabilities (in a user namespace of its own only)
    weir_start_control_is_input = 1 << 15,  // the socket of descriptor 3 is its stdin, too
    weir_start_zygote = 1 << 16,    // forks programs of other sandboxes: has a socket for that on descriptor 5
    weir_start_stem = 1 << 17,      // of a fork: the program says when it waits for its code
    weir_start_new_cgroup = 1 << 18,  // sees its own control groups as the topmost ones
};

enum {
    weir_limit_count = 8,
    weir_entry_count = 96,
    // The longest request: fixed part and strings.
    weir_request_bytes = 192 * 1024,
    // How many workers one launcher holds.
    weir_slot_count = 4096,
    // Where a worker finds its control socket and its ledger (see process_memory.h).
    weir_worker_control = 3,
    weir_worker_ledger = 4,
    // Where a zygote finds its socket to the launcher.
    weir_worker_forks = 5,
    // The file mode creation mask of workers: nothing for others.
    weir_worker_umask = 027,
    // Programs of seccomp that a setup may hand over, and the longest (BPF_MAXINSNS).
    weir_filter_count = 5,
    weir_filter_bytes = 4096 * 8,
};

// Control group trees, in the order of their strings in a setup; an empty string means that there is none.
enum weir_group {
    weir_group_memory = 0,   // version 1
    weir_group_processes,    // version 1
    weir_group_cpu,          // version 1
    weir_group_unified,      // version 2, with or without controllers
    weir_group_count,
};

// What the unified tree controls.
enum {
    weir_unified_memory = 1,
    weir_unified_processes = 2,
    weir_unified_cpu = 4,
};

// How one entry of a root file system comes to be. Each has two strings: source and target (relative, without `..`).
enum weir_entry_kind {
    weir_entry_folder = 1,  // an empty folder of `mode`
    weir_entry_bind,        // the file or folder `source` of the host
    weir_entry_link,        // a symbolic link with the text `source`
    weir_entry_file,        // a file of `mode` with the content `source`
    weir_entry_scratch,     // a private tmpfs of `size` bytes and `count` inodes, of the worker's own user
    weir_entry_processes,   // proc: own processes only
    weir_entry_allow,       // not made: what Landlock allows below `target` (absolute), `size` is the access set
};

// Flags of a bind or attach.
enum {
    weir_mount_read_only = 1,
    weir_mount_no_exec = 2,
    weir_mount_devices = 4,   // device files work
    weir_mount_optional = 8,  // left out when the source is not there
    weir_mount_as_user = 16,  // what its owner owns there belongs to the worker's user (mount_setattr(2), ID-mapped mounts)
};

struct weir_entry {
    uint16_t kind;
    uint16_t flags;
    uint32_t mode;
    uint64_t size;
    uint64_t count;
};

struct weir_limit {
    uint32_t resource;  // RLIMIT_…
    uint32_t reserved;
    uint64_t value;  // soft and hard
};

struct weir_id_map {
    uint32_t inside, outside, count;  // count 0: no map
};

// The head of every request; the strings follow the whole struct, each ended by NUL.
struct weir_request {
    uint32_t kind;
    uint32_t flags;
    uint64_t slot;
    uint64_t token;  // given back in the reply
    uint32_t strings_length;
    uint32_t reserved;
};

// Strings: the directories of the control groups (weir_group_count of them); then, without NUL, the filters.
struct weir_setup {
    struct weir_request head;
    uint32_t unified_controls;
    // Enters a user namespace of its own first, with `uid_map` and `gid_map`: an ordinary user's way to mount.
    uint32_t own_user_namespace;
    struct weir_id_map uid_map, gid_map;
    uint32_t filter_bytes[weir_filter_count];
};

// Strings: arguments (the first is the absolute path of the program), environment (NAME=value), working directory, then
// source and target of each entry.
struct weir_start {
    struct weir_request head;
    uint32_t argument_count, environment_count, limit_count, entry_count;
    struct weir_limit limits[weir_limit_count];
    struct weir_entry entries[weir_entry_count];
    struct weir_id_map uid_map, gid_map;  // of a new user namespace
    uint32_t uid, gid;                    // inside
    uint32_t filter;                      // 0 none, else the number of the filter in the setup, from 1
    uint32_t cpu_weight;                  // 1024 is a usual share
    uint32_t cpu_quota;                   // microseconds in 100 ms, 0: as much as there is
    uint32_t processes;                   // of the whole tree
    uint64_t memory;                      // of the whole tree, bytes
    uint64_t landlock_files, landlock_network, landlock_scopes;  // what is denied unless an entry allows it
    uint64_t zygote;                      // of a fork: the slot that forks
};

// Strings: source (absolute, on the host; empty: a new tmpfs, whose folder comes back as a descriptor), target (absolute,
// inside). A descriptor that comes along is what the source must be. Flags as of a bind; uid and gid are the worker's as
// the launcher numbers them.
struct weir_attach {
    struct weir_request head;
    uint32_t uid, gid;
    uint64_t size, count;  // of a tmpfs
};

struct weir_reply {
    uint32_t kind;
    int32_t error;  // errno of what failed, 0 when nothing did
    uint64_t slot;
    uint64_t token;
    int32_t stage;
    int32_t detail;
    int32_t pid;          // of stats: the program, 0 where process 1 has it as a child
    int32_t exit_status;  // -1 when a signal ended it
    int32_t signal;
    uint32_t running;
    uint64_t user_microseconds;
    uint64_t system_microseconds;
    uint64_t peak_bytes;
    uint64_t memory_bytes;
    uint32_t processes;
    uint32_t out_of_memory;  // how often the kernel killed for want of memory
};

// What a worker says on its status pipe: that its root file system is there (before that nothing may be mounted into it,
// for it is still in the host's), that it could not become the program, how the program ended; of a sandbox whose program
// a zygote forks, before all that, its namespaces, and of the program itself, which process it is (SCM_CREDENTIALS).
enum {
    weir_status_failed = 1,
    weir_status_ended = 2,
    weir_status_ready = 3,
    weir_status_namespaces = 4,
    weir_status_program = 5,
};
struct weir_status {
    uint32_t kind;
    int32_t error;
    int32_t stage;
    int32_t detail;
    int32_t wait_status;  // of the program, as of waitpid(2)
    uint32_t reserved;
    uint64_t user_microseconds, system_microseconds, peak_kibibytes;
};

// What a zygote is asked for, on its socket to the launcher. Descriptors come along, in this order: the sandbox's process,
// mount, ipc and uts namespace, its network namespace (if it has one of its own), the program's control socket, ledger,
// standard output and error, where to say how it failed or ended (struct weir_status), where the sandbox says that it is
// there (one byte, and a Landlock ruleset if there is one), what is to be kept open until the program has ended; then, as
// the counts say, `tasks` files of control groups and the folder of one of version 2. The filter follows the struct.
struct weir_fork {
    uint64_t slot;
    uint32_t flags;  // of the start
    uint32_t uid, gid;
    uint32_t limit_count;
    uint32_t task_count, has_unified;
    uint32_t filter_bytes;
    uint32_t umask;
    struct weir_limit limits[weir_limit_count];
};

// The launcher's whole life: serves requests on descriptor 0 until the other end is closed, then ends every process
// below it. Returns the exit status.
int weir_launcher_main(void);

// Server side. Each returns 0 (or what is said) and errno-style numbers negated on failure.

// Starts the launcher with its control socket as stdin.
int weir_launcher_spawn(const char *path, pid_t *pid, int *control);
// Sends one request; `descriptor` travels along when it is not negative. -EAGAIN when the socket is full.
int weir_launcher_send(int control, const void *request, size_t length, int descriptor);
// Receives one reply and up to three descriptors (-1 where there is none). 1 on a reply, 0 at the end of the stream.
int weir_launcher_receive(int control, struct weir_reply *reply, int descriptors[3]);
// Makes this process the parent of what its descendants leave when they end (prctl(2), PR_SET_CHILD_SUBREAPER). 0 or -errno.
int weir_adopt_orphans(void);
// The ABI version of Landlock that the kernel speaks, 0 when none.
int weir_landlock_version(void);
