#pragma once

#include <sys/types.h>

#include "launcher_protocol.h"

// What went wrong: an errno, about what, and which entry.
struct failure {
    int error;
    enum weir_stage stage;
    int detail;
};

// Source and target of each entry of a start, and the mount where that could not wait: the map of an owner needs the
// numbers that the launcher sees processes by, and a zygote's user cannot reach what the launcher can. -1: it is made when
// it is needed.
enum { mount_left_out = -2 };
struct entry_strings {
    const char *source[weir_entry_count];
    const char *target[weir_entry_count];
    int mount[weir_entry_count];
};

// Whether a path is relative and stays below where it begins.
int is_inside(const char *path);
// Makes the folders above `path` (relative to `folder`); 0 or an errno.
int make_parents(int folder, const char *path, mode_t mode);
// A detached copy of a file or folder of the host with the flags of a mount, or -1. `uid` and `gid` are the worker's.
int detached_mount(const char *source, unsigned flags, uint32_t uid, uint32_t gid);
// A detached tmpfs, or -1.
int detached_scratch(uint64_t size, uint64_t count, unsigned mode, uint32_t uid, uint32_t gid, unsigned flags);

// Makes a root file system of the entries and moves the calling process (in a mount namespace of its own) into it; what
// was there before is not reachable any more. 0, or -1 with the failure filled.
int sandbox_root_build(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure);
