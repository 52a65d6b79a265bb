#pragma once
// System calls that the C library of older distributions lacks, by number; names of our own, because the headers of
// newer ones have them (and <sys/mount.h> and <linux/mount.h> cannot be included together everywhere).

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum {
    sys_pidfd_send_signal = 424,
    sys_open_tree = 428,
    sys_move_mount = 429,
    sys_fsopen = 430,
    sys_fsconfig = 431,
    sys_fsmount = 432,
    sys_clone3 = 435,
    sys_close_range = 436,
    sys_openat2 = 437,
    sys_mount_setattr = 442,
    sys_landlock_create_ruleset = 444,
    sys_landlock_add_rule = 445,
    sys_landlock_restrict_self = 446,
};

enum {
    at_recursive = 0x8000,
    at_empty_path = 0x1000,
    open_tree_clone = 1,
    move_mount_from_empty = 0x04,
    move_mount_to_empty = 0x40,
    mount_attr_read_only = 0x1,
    mount_attr_no_setuid = 0x2,
    mount_attr_no_devices = 0x4,
    mount_attr_no_exec = 0x8,
    mount_attr_id_map = 0x100000,
    resolve_no_magic_links = 0x02,
    resolve_no_links = 0x04,
    resolve_beneath = 0x08,
    fsconfig_string = 1,
    fsconfig_create = 6,
    close_on_exec = 1,  // FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC
};

struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

struct mount_attributes {
    uint64_t set, clear, propagation, user_namespace;
};

struct open_how_arguments {
    uint64_t flags, mode, resolve;
};

static inline int clone_process(struct clone_arguments *arguments) {
    return (int)syscall(sys_clone3, arguments, sizeof *arguments);
}

static inline int open_tree_at(int folder, const char *path, unsigned flags) {
    return (int)syscall(sys_open_tree, folder, path, flags | O_CLOEXEC);
}

static inline int move_mount_to(int mount, int folder, const char *path, unsigned flags) {
    return (int)syscall(sys_move_mount, mount, "", folder, path, flags | move_mount_from_empty);
}

static inline int set_mount_attributes(int mount, unsigned flags, uint64_t set, uint64_t clear) {
    struct mount_attributes attributes = {.set = set, .clear = clear};
    return (int)syscall(sys_mount_setattr, mount, "", at_empty_path | flags, &attributes, sizeof attributes);
}

static inline int open_beneath(int folder, const char *path, int flags, unsigned mode) {
    struct open_how_arguments how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .mode = mode,
        .resolve = resolve_beneath | resolve_no_links | resolve_no_magic_links,
    };
    return (int)syscall(sys_openat2, folder, path, &how, sizeof how);
}

static inline int close_from(unsigned first, unsigned last) {
    return (int)syscall(sys_close_range, first, last, 0);
}

static inline int signal_process(int pidfd, int number) {
    return (int)syscall(sys_pidfd_send_signal, pidfd, number, NULL, 0);
}
