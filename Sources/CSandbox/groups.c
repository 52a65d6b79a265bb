#define _GNU_SOURCE
#include "groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_entries.h"
#include "system_calls.h"

enum { leftover_maximum = 512, quota_period = 100000 };

static int trees[weir_group_count] = {-1, -1, -1, -1};
static uint32_t unified_controls;
// Slots whose groups the kernel did not give back at once.
static uint64_t leftovers[leftover_maximum];
static uint32_t leftover_count;

int groups_setup(const char *const directories[weir_group_count], uint32_t controls) {
    unified_controls = controls;
    for (int i = 0; i < weir_group_count; i++) {
        if (trees[i] >= 0) close(trees[i]);
        trees[i] = -1;
        if (directories[i][0] == 0) continue;
        trees[i] = open(directories[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (trees[i] < 0) return errno;
    }
    return 0;
}

static int open_file(int tree, uint64_t slot, const char *file, int flags) {
    char path[96];
    if (trees[tree] < 0) return -1;
    snprintf(path, sizeof path, "%llu/%s", (unsigned long long)slot, file);
    return openat(trees[tree], path, flags | O_CLOEXEC);
}

static int put(int tree, uint64_t slot, const char *file, const char *text) {
    int descriptor = open_file(tree, slot, file, O_WRONLY);
    if (descriptor < 0) return errno;
    int error = write(descriptor, text, strlen(text)) < 0 ? errno : 0;
    close(descriptor);
    return error;
}

static int put_number(int tree, uint64_t slot, const char *file, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return put(tree, slot, file, text);
}

static int limit(uint64_t slot, const struct weir_start *start) {
    int error = 0;
    char text[64];
    if (trees[weir_group_memory] >= 0 && start->memory) {
        error = put_number(weir_group_memory, slot, "memory.limit_in_bytes", start->memory);
        // With swap accounting the two together; without, the file is not there.
        if (!error) put_number(weir_group_memory, slot, "memory.memsw.limit_in_bytes", start->memory);
    }
    if (!error && trees[weir_group_processes] >= 0 && start->processes)
        error = put_number(weir_group_processes, slot, "pids.max", start->processes);
    if (!error && trees[weir_group_cpu] >= 0) {
        if (start->cpu_weight) error = put_number(weir_group_cpu, slot, "cpu.shares", start->cpu_weight);
        if (!error && start->cpu_quota) error = put_number(weir_group_cpu, slot, "cpu.cfs_quota_us", start->cpu_quota);
    }
    if (!error && (unified_controls & weir_unified_memory) && start->memory) {
        error = put_number(weir_group_unified, slot, "memory.max", start->memory);
        if (!error) put(weir_group_unified, slot, "memory.swap.max", "0");
    }
    if (!error && (unified_controls & weir_unified_processes) && start->processes)
        error = put_number(weir_group_unified, slot, "pids.max", start->processes);
    if (!error && (unified_controls & weir_unified_cpu)) {
        // 1024 shares of version 1 are a weight of 100.
        uint64_t weight = (uint64_t)start->cpu_weight * 100 / 1024;
        if (start->cpu_weight) error = put_number(weir_group_unified, slot, "cpu.weight", weight ? weight : 1);
        snprintf(text, sizeof text, "%u %d", start->cpu_quota, quota_period);
        if (!error && start->cpu_quota) error = put(weir_group_unified, slot, "cpu.max", text);
    }
    return error;
}

int groups_create(uint64_t slot, const struct weir_start *start, struct slot_groups *groups) {
    char name[32];
    int error = 0;
    snprintf(name, sizeof name, "%llu", (unsigned long long)slot);
    *groups = (struct slot_groups){.tasks = {-1, -1, -1}, .unified = -1};
    for (int i = 0; i < weir_group_count && !error; i++) {
        if (trees[i] >= 0 && mkdirat(trees[i], name, 0755) < 0) error = errno;
    }
    if (!error) error = limit(slot, start);
    for (int i = 0; i < weir_group_unified && !error; i++) {
        if (trees[i] < 0) continue;
        groups->tasks[i] = open_file(i, slot, "tasks", O_WRONLY);
        if (groups->tasks[i] < 0) error = errno;
    }
    if (!error && trees[weir_group_unified] >= 0) {
        groups->unified = openat(trees[weir_group_unified], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (groups->unified < 0) error = errno;
    }
    if (error) {
        groups_close(groups);
        groups_remove(slot);
    }
    return error;
}

int groups_for_child(uint64_t slot, const struct slot_groups *groups, const struct weir_id_map *users) {
    if (groups->unified < 0) return -1;
    if (users->count > 1) {
        // A process is born in a group by who may write to the group's list and to that of the next group above both
        // (cgroups(7), "delegation containment"). The zygote is another user than the launcher. It gets the one folder as
        // a mount of its own, from which no way leads up.
        char own[64];
        snprintf(own, sizeof own, "%llu/cgroup.procs", (unsigned long long)slot);
        if (fchownat(trees[weir_group_unified], own, users->outside, (gid_t)-1, 0) < 0
            || fchownat(trees[weir_group_unified], "cgroup.procs", users->outside, (gid_t)-1, 0) < 0)
            return -1;
    }
    // AT_EMPTY_PATH
    int folder = (int)syscall(sys_open_tree, groups->unified, "", open_tree_clone | O_CLOEXEC | 0x1000u);
    return folder >= 0 ? folder : fcntl(groups->unified, F_DUPFD_CLOEXEC, 0);
}

void groups_close(struct slot_groups *groups) {
    for (int i = 0; i < weir_group_unified; i++) {
        if (groups->tasks[i] >= 0) close(groups->tasks[i]);
        groups->tasks[i] = -1;
    }
    if (groups->unified >= 0) close(groups->unified);
    groups->unified = -1;
}

int groups_enter(const struct slot_groups *groups) {
    for (int i = 0; i < weir_group_unified; i++) {
        // The process itself writes, and to `tasks`: another that writes its number to cgroup.procs waits for an RCU
        // grace period, about 10 ms.
        if (groups->tasks[i] >= 0 && write(groups->tasks[i], "0", 1) < 0) return errno;
    }
    return 0;
}

static int get(int tree, uint64_t slot, const char *file, char *text, size_t size) {
    int descriptor = open_file(tree, slot, file, O_RDONLY);
    if (descriptor < 0) return 0;
    ssize_t count = read(descriptor, text, size - 1);
    close(descriptor);
    if (count <= 0) return 0;
    text[count] = 0;
    return 1;
}

// The number behind `key` and a space at the beginning of a line.
static uint64_t value_of(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') return strtoull(line + length + 1, NULL, 10);
    }
    return 0;
}

// Calls `visit` with the path of each group directly below a slot's: container engines make some. The sum of what it says.
static uint32_t below_in(int tree, uint64_t slot, uint32_t (*visit)(int tree, const char *path)) {
    char entries[4096], path[400];
    uint32_t sum = 0;
    int folder = open_file(tree, slot, ".", O_RDONLY | O_DIRECTORY);
    if (folder < 0) return 0;
    for (long length; (length = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;) {
        for (long at = 0; at < length;) {
            const struct folder_entry *entry = (const struct folder_entry *)(entries + at);
            at += entry->length;
            if (entry->type != DT_DIR || entry->name[0] == '.') continue;
            snprintf(path, sizeof path, "%llu/%s", (unsigned long long)slot, entry->name);
            sum += visit(tree, path);
        }
    }
    close(folder);
    return sum;
}

static uint32_t oom_kills(int tree, const char *path) {
    char file[500], text[1024];
    snprintf(file, sizeof file, "%s/memory.oom_control", path);
    int descriptor = openat(trees[tree], file, O_RDONLY | O_CLOEXEC);
    ssize_t count = descriptor < 0 ? -1 : read(descriptor, text, sizeof text - 1);
    if (descriptor >= 0) close(descriptor);
    if (count < 0) return 0;
    text[count] = 0;
    return (uint32_t)value_of(text, "oom_kill");
}

static uint32_t remove_group(int tree, const char *path) {
    return unlinkat(trees[tree], path, AT_REMOVEDIR) < 0;
}

void groups_usage(uint64_t slot, struct group_usage *usage) {
    char text[1024];
    *usage = (struct group_usage){0};
    if (trees[weir_group_memory] >= 0) {
        if (get(weir_group_memory, slot, "memory.usage_in_bytes", text, sizeof text))
            usage->memory = strtoull(text, NULL, 10);
        if (get(weir_group_memory, slot, "memory.max_usage_in_bytes", text, sizeof text))
            usage->peak = strtoull(text, NULL, 10);
        if (get(weir_group_memory, slot, "memory.oom_control", text, sizeof text))
            usage->out_of_memory = (uint32_t)value_of(text, "oom_kill") 
                + below_in(weir_group_memory, slot, oom_kills);
    } else if (unified_controls & weir_unified_memory) {
        if (get(weir_group_unified, slot, "memory.current", text, sizeof text))
            usage->memory = strtoull(text, NULL, 10);
        if (get(weir_group_unified, slot, "memory.peak", text, sizeof text)) usage->peak = strtoull(text, NULL, 10);
        if (get(weir_group_unified, slot, "memory.events", text, sizeof text))
            usage->out_of_memory = (uint32_t)value_of(text, "oom_kill");
    }
    int processes = unified_controls & weir_unified_processes ? weir_group_unified : weir_group_processes;
    if (get(processes, slot, "pids.current", text, sizeof text)) usage->processes = (uint32_t)strtoull(text, NULL, 10);
    // The unified tree counts time even where it controls nothing.
    if (get(weir_group_unified, slot, "cpu.stat", text, sizeof text)) {
        usage->has_time = 1;
        usage->user_microseconds = value_of(text, "user_usec");
        usage->system_microseconds = value_of(text, "system_usec");
    }
}

int groups_kill(uint64_t slot) {
    return put(weir_group_unified, slot, "cgroup.kill", "1") == 0 ? 0 : -1;
}

int groups_freeze(uint64_t slot, int frozen) {
    return put(weir_group_unified, slot, "cgroup.freeze", frozen ? "1" : "0") == 0 ? 0 : -1;
}

static int try_remove(uint64_t slot) {
    char name[32];
    int is_gone = 1;
    snprintf(name, sizeof name, "%llu", (unsigned long long)slot);
    for (int i = 0; i < weir_group_count; i++) {
        if (trees[i] < 0 || unlinkat(trees[i], name, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
        below_in(i, slot, remove_group);
        if (unlinkat(trees[i], name, AT_REMOVEDIR) < 0) is_gone = 0;
    }
    return is_gone;
}

void groups_remove(uint64_t slot) {
    // What does not fit is found by the server's sweep of its trees.
    if (!try_remove(slot) && leftover_count < leftover_maximum) leftovers[leftover_count++] = slot;
}

void groups_sweep(void) {
    for (uint32_t i = leftover_count; i > 0; i--) {
        if (try_remove(leftovers[i - 1])) leftovers[i - 1] = leftovers[--leftover_count];
    }
}
