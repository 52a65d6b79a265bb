#define _GNU_SOURCE
#include "worker_start.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "groups.h"
#include "request_strings.h"
#include "sandbox_process.h"
#include "system_calls.h"
#include "zygote_fork.h"

static void close_all(const int *descriptors, int count) {
    for (int i = 0; i < count; i++) {
        if (descriptors[i] >= 0) close(descriptors[i]);
    }
}

// Opens the worker's channels: its ends go into the plan, the others' into `started`.
static int open_channels(struct plan *plan, int on_stdio, struct weir_started *started) {
    int pair[2];
    if (on_stdio) {
        if (pipe2(pair, O_CLOEXEC) < 0) return errno;
        plan->input = pair[0];
        started->descriptors[0] = pair[1];
    } else {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return errno;
        plan->control = pair[0];
        started->descriptors[0] = pair[1];
        plan->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (plan->input < 0) return errno;
    }
    if (pipe2(pair, O_CLOEXEC) < 0) return errno;
    plan->output = pair[1];
    started->descriptors[1] = pair[0];
    if (pipe2(pair, O_CLOEXEC) < 0) return errno;
    plan->error_output = pair[1];
    started->descriptors[2] = pair[0];
    for (int i = 0; i < 3; i++) {
        if (fcntl(started->descriptors[i], F_SETFL, O_NONBLOCK) < 0) return errno;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) return errno;
    plan->status = pair[1];
    started->status = pair[0];
    return 0;
}

static int split(const struct weir_start *start, const char *strings, struct plan *plan) {
    if (start->argument_count == 0 || start->argument_count > argument_maximum
        || start->environment_count > argument_maximum || start->limit_count > weir_limit_count
        || start->entry_count > weir_entry_count || start->filter > weir_filter_count)
        return EINVAL;
    uint32_t flags = start->head.flags;
    // What would change the launcher's own namespaces, or leave a worker with the launcher's own rights.
    if (((flags & weir_start_root) && !(flags & weir_start_new_mount))
        || ((flags & weir_start_loopback) && !(flags & weir_start_new_net))
        || ((flags & weir_start_broad) && !(flags & weir_start_new_user)))
        return EINVAL;
    struct request_strings rest = {strings, start->head.strings_length};
    for (uint32_t i = 0; i < start->argument_count; i++) plan->arguments[i] = (char *)next_string(&rest);
    plan->arguments[start->argument_count] = NULL;
    for (uint32_t i = 0; i < start->environment_count; i++) plan->environment[i] = (char *)next_string(&rest);
    plan->environment[start->environment_count] = NULL;
    plan->directory = next_string(&rest);
    for (uint32_t i = 0; i < start->entry_count; i++) {
        plan->entries.source[i] = next_string(&rest);
        plan->entries.target[i] = next_string(&rest);
    }
    return is_used_up(&rest) ? 0 : EINVAL;
}

// Whether the process has a user of its own in a user namespace that the launcher maps for it: then it can reach less than
// the launcher, which makes the mounts of its root.
static int has_mapped_users(const struct weir_start *start) { return start->uid_map.count > 1; }

static uint32_t outside(const struct weir_id_map *map, uint32_t id) {
    return map->count > 1 ? map->outside + (id - map->inside) : id;
}

static int prepare_mounts(const struct weir_start *start, struct plan *plan, int all) {
    for (uint32_t i = 0; i < start->entry_count; i++) {
        const struct weir_entry *entry = &start->entries[i];
        if (entry->kind != weir_entry_bind || (!all && !(entry->flags & weir_mount_as_user))) continue;
        plan->entries.mount[i] = detached_mount(
            plan->entries.source[i], entry->flags, outside(&start->uid_map, start->uid),
            outside(&start->gid_map, start->gid));
        if (plan->entries.mount[i] >= 0) continue;
        if (errno != ENOENT || !(entry->flags & weir_mount_optional)) return (int)i;
        plan->entries.mount[i] = mount_left_out;
    }
    return -1;
}

static int write_map(pid_t pid, const char *file, const struct weir_id_map *map) {
    char path[64], text[64];
    if (map->count == 0) return 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int length = snprintf(text, sizeof text, "%u %u %u\n", map->inside, map->outside, map->count);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    int error = write(descriptor, text, (size_t)length) < 0 ? errno : 0;
    close(descriptor);
    return error;
}

static uint64_t namespaces(uint32_t flags) {
    return (flags & weir_start_new_user ? CLONE_NEWUSER : 0) | (flags & weir_start_new_pid ? CLONE_NEWPID : 0)
        | (flags & weir_start_new_mount ? CLONE_NEWNS : 0) | (flags & weir_start_new_ipc ? CLONE_NEWIPC : 0)
        | (flags & weir_start_new_uts ? CLONE_NEWUTS : 0) | (flags & weir_start_new_net ? CLONE_NEWNET : 0);
}

static void run(struct plan *plan, struct weir_started *started) {
    uint32_t flags = plan->start->head.flags;
    struct clone_arguments arguments = {
        .flags = CLONE_PIDFD | namespaces(flags) | (plan->groups.unified >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&started->pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)(plan->groups.unified >= 0 ? plan->groups.unified : 0),
    };
    pid_t pid = clone_process(&arguments);
    if (pid == 0) sandbox_process(plan);
    if (pid < 0) {
        started->error = errno;
        started->stage = weir_stage_fork;
        return;
    }
    started->pid = pid;
    if (!(flags & weir_start_new_user)) return;
    int error = write_map(pid, "uid_map", &plan->start->uid_map);
    if (!error) error = write_map(pid, "gid_map", &plan->start->gid_map);
    // The worker waits for this; without maps it is nobody and its first step fails, so the number need not be kept.
    if (write(plan->go[1], error ? "n" : "y", 1) < 0) signal_process(started->pidfd, SIGKILL);
}

struct weir_started weir_worker_start(
    const struct weir_start *start, const char *strings, int ledger, const int alive[2], const struct zygote *zygote) {
    struct weir_started started = {.pid = -1, .pidfd = -1, .descriptors = {-1, -1, -1}, .status = -1, .forks = -1};
    static struct plan plan;  // too large for a comfortable stack; there is one thread
    plan = (struct plan){
        .start = start, .launcher = getpid(), .ledger = ledger, .alive = {alive[0], alive[1]},
        .input = -1, .output = -1, .error_output = -1, .control = -1, .status = -1, .go = {-1, -1},
        .forks = {-1, -1}, .there = -1, .stay = -1, .not_its_own = {-1, -1},
        .groups = {.tasks = {-1, -1, -1}, .unified = -1},
    };
    started.error = split(start, strings, &plan);
    started.stage = started.error ? weir_stage_request : weir_stage_none;
    if (started.error == 0) {
        started.error = open_channels(&plan, start->head.flags & weir_start_on_stdio, &started);
        if (!started.error && (start->head.flags & weir_start_new_user) && pipe2(plan.go, O_CLOEXEC) < 0)
            started.error = errno;
        if (!started.error && (start->head.flags & weir_start_zygote)
            && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, plan.forks) < 0)
            started.error = errno;
        started.stage = started.error ? weir_stage_descriptors : weir_stage_none;
    }
    for (int i = 0; i < weir_entry_count; i++) plan.entries.mount[i] = -1;
    int unprepared = started.error == 0 ? prepare_mounts(start, &plan, zygote || has_mapped_users(start)) : -1;
    if (unprepared >= 0) {
        started.error = errno;
        started.stage = weir_stage_entry;
        started.detail = unprepared;
    }
    int has_groups = 0;
    if (started.error == 0 && (start->head.flags & weir_start_groups)) {
        started.error = groups_create(start->head.slot, start, &plan.groups);
        started.stage = started.error ? weir_stage_groups : weir_stage_none;
        has_groups = started.error == 0;
    }
    if (started.error == 0) {
        if (zygote) run_forked(&plan, zygote, &started);
        else run(&plan, &started);
    }
    if (started.error == 0) started.forks = plan.forks[0];
    else if (plan.forks[0] >= 0) close(plan.forks[0]);
    close_all((int[]){plan.input, plan.output, plan.error_output, plan.control, plan.status, plan.go[0], plan.go[1],
                  plan.forks[1]}, 8);
    close_all(plan.entries.mount, weir_entry_count);
    groups_close(&plan.groups);
    if (started.error != 0) {
        if (has_groups) groups_remove(start->head.slot);
        close_all(started.descriptors, 3);
        close_all((int[]){started.status, started.pidfd}, 2);
        started.descriptors[0] = started.descriptors[1] = started.descriptors[2] = -1;
        started.status = started.pidfd = -1;
    }
    return started;
}
