#pragma once

#include "launcher_protocol.h"

// Control groups of slots: one folder a slot in each tree that the server named. See cgroups(7).

struct slot_groups {
    int tasks[weir_group_unified];  // version 1: a process that writes 0 here moves itself; -1 where there is none
    int unified;                    // version 2: the folder, for CLONE_INTO_CGROUP; -1
};

struct group_usage {
    uint64_t memory, peak, user_microseconds, system_microseconds;
    uint32_t processes, out_of_memory;
    int has_time;
};

// Takes over the trees of a setup; 0 or an errno.
int groups_setup(const char *const directories[weir_group_count], uint32_t unified_controls);
// Makes a slot's groups with its limits and opens them; 0 or an errno, with nothing left.
int groups_create(uint64_t slot, const struct weir_start *start, struct slot_groups *groups);
// The folder of the unified tree for a zygote that is to let a child be born in it, -1 where there is none; `users` is the
// zygote's map of ids. The caller closes it.
int groups_for_child(uint64_t slot, const struct slot_groups *groups, const struct weir_id_map *users);
void groups_close(struct slot_groups *groups);
// Moves the calling process in; 0 or an errno.
int groups_enter(const struct slot_groups *groups);
void groups_usage(uint64_t slot, struct group_usage *usage);
// Each of these is -1 when the unified tree is not there or refuses.
int groups_kill(uint64_t slot);
int groups_freeze(uint64_t slot, int frozen);
// Removes a slot's groups, now or when the kernel lets go of them.
void groups_remove(uint64_t slot);
// Tries again what could not be removed.
void groups_sweep(void);
