#define _GNU_SOURCE
#include "zygote_fork.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "confinement.h"
#include "descriptors.h"
#include "groups.h"
#include "system_calls.h"

enum { stack_bytes = 64 * 1024, namespace_count = 5 };

// Shared with two short-lived processes, which run while the launcher stands still (vfork's way), in its memory and with
// its descriptors.
struct birth {
    struct plan *plan;
    const struct zygote *zygote;
    pid_t second;
    int pidfd;
    int error;
    enum weir_stage stage;
};

static char stacks[2][stack_bytes] __attribute__((aligned(16)));

// Notes that no process could be made in the zygote's process namespace. ENOMEM is also what the kernel says when process 1
// of that has ended (pid_namespaces(7)); where memory is really short, the other way that is taken then will say so.
static void not_forked(struct birth *birth) {
    birth->error = errno;
    birth->stage = errno == ENOMEM ? weir_stage_zygote : weir_stage_fork;
}

// In the zygote's process namespace now: what it makes is process 1 of one below that. Its parent is the launcher.
static int make_process(void *argument) {
    struct birth *birth = argument;
    struct plan *plan = birth->plan;
    uint32_t flags = plan->start->head.flags;
    struct clone_arguments arguments = {
        .flags = CLONE_PARENT | CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS
            | (flags & weir_start_new_net ? CLONE_NEWNET : 0) | (plan->groups.unified >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&birth->pidfd,
        .cgroup = (uint64_t)(plan->groups.unified >= 0 ? plan->groups.unified : 0),
    };
    int pid = clone_process(&arguments);
    if (pid == 0) sandbox_process(plan);
    if (pid < 0) not_forked(birth);
    return 0;
}

// A process that has named another process namespace for its children is not in it and may not make one below it: its
// child is, and may (pid_namespaces(7)).
static int enter_namespaces(void *argument) {
    struct birth *birth = argument;
    if (setns(birth->zygote->users, CLONE_NEWUSER) < 0 || setns(birth->zygote->processes, CLONE_NEWPID) < 0) {
        birth->error = errno;
        birth->stage = weir_stage_zygote;
        return 0;
    }
    birth->second = clone(
        make_process, stacks[1] + stack_bytes, CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PARENT | SIGCHLD, birth);
    if (birth->second < 0) not_forked(birth);
    return 0;
}

static void wait_for(pid_t pid) {
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

// The number of a process as the launcher sees it, -1 when it is gone.
static pid_t number_of(int pidfd) {
    char path[48], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    text[count > 0 ? count : 0] = 0;
    const char *line = strstr(text, "\nPid:");
    return line ? (pid_t)strtol(line + 5, NULL, 10) : -1;
}

// The first word of the new process: its namespaces, or why there is none.
static int receive_namespaces(int status, int namespaces[namespace_count], struct weir_started *started) {
    struct weir_status said;
    struct pollfd source = {status, POLLIN, 0};
    while (poll(&source, 1, 5000) < 0 && errno == EINTR) {}
    pid_t sender;
    ssize_t length = receive_from(status, &said, sizeof said, namespaces, namespace_count, &sender);
    if (length == sizeof said && said.kind == weir_status_namespaces) return 0;
    started->error = length == sizeof said ? said.error : ETIMEDOUT;
    started->stage = length == sizeof said ? (enum weir_stage)said.stage : weir_stage_zygote;
    started->detail = length == sizeof said ? said.detail : 0;
    return -1;
}

// One message with all that the zygote's child needs. 0 or an errno.
static int ask(
    const struct plan *plan, const struct zygote *zygote, const int namespaces[namespace_count], int there, int stay) {
    static struct {
        struct weir_fork fork;
        char filter[weir_filter_bytes];
    } request;
    const struct weir_start *start = plan->start;
    uint32_t filter_bytes = 0;
    const void *filter = filter_program(start->filter, &filter_bytes);
    request.fork = (struct weir_fork){
        .slot = start->head.slot, .flags = start->head.flags, .uid = start->uid, .gid = start->gid,
        .limit_count = start->limit_count, .filter_bytes = filter_bytes, .umask = weir_worker_umask,
    };
    memcpy(request.fork.limits, start->limits, sizeof request.fork.limits);
    if (filter_bytes) memcpy(request.filter, filter, filter_bytes);
    int descriptors[descriptor_maximum], count = 0;
    for (int i = 0; i < namespace_count; i++) {
        if (namespaces[i] >= 0) descriptors[count++] = namespaces[i];
    }
    const int own[] = {plan->control, plan->ledger, plan->output, plan->error_output, plan->status, there, stay};
    for (int i = 0; i < 7; i++) descriptors[count++] = own[i];
    for (int i = 0; i < weir_group_unified; i++) {
        if (plan->groups.tasks[i] < 0) continue;
        descriptors[count++] = plan->groups.tasks[i];
        request.fork.task_count++;
    }
    int unified = plan->groups.unified < 0 ? -1 : groups_for_child(start->head.slot, &plan->groups, &start->uid_map);
    if (unified >= 0) {
        descriptors[count++] = unified;
        request.fork.has_unified = 1;
    }
    size_t length = sizeof request.fork + filter_bytes;
    int error = send_with_descriptors(zygote->forks, &request, length, descriptors, count) < 0 ? errno : 0;
    if (unified >= 0) close(unified);
    return error;
}

void run_forked(struct plan *plan, const struct zygote *zygote, struct weir_started *started) {
    int there[2] = {-1, -1}, stay[2] = {-1, -1}, namespaces[namespace_count];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, there) < 0 || pipe2(stay, O_CLOEXEC) < 0) {
        started->error = errno;
        started->stage = weir_stage_descriptors;
        if (there[0] >= 0) close(there[0]), close(there[1]);
        return;
    }
    // The program is no child of process 1, nor of the launcher: it says itself who it is.
    int on = 1;
    setsockopt(started->status, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    plan->there = there[1];
    plan->stay = stay[0];
    // Copied to process 1 with all descriptors: the ends that others are to close must not stay open there.
    plan->not_its_own[0] = there[0];
    plan->not_its_own[1] = stay[1];
    struct birth birth = {.plan = plan, .zygote = zygote, .second = -1, .pidfd = -1};
    pid_t first = clone(
        enter_namespaces, stacks[0] + stack_bytes, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &birth);
    if (first < 0) {
        birth.error = errno;
        birth.stage = weir_stage_fork;
    }
    wait_for(birth.second);
    wait_for(first);
    started->error = birth.error;
    started->stage = birth.stage;
    started->pidfd = birth.pidfd;
    if (!started->error) {
        started->pid = number_of(birth.pidfd);
        for (int i = 0; i < namespace_count; i++) namespaces[i] = -1;
        if (receive_namespaces(started->status, namespaces, started) == 0) {
            started->error = ask(plan, zygote, namespaces, there[0], stay[1]);
            if (started->error) started->stage = weir_stage_zygote;
        }
        for (int i = 0; i < namespace_count; i++) {
            if (namespaces[i] >= 0) close(namespaces[i]);
        }
        if (started->error) {
            siginfo_t info;
            signal_process(birth.pidfd, SIGKILL);
            while (waitid(P_PIDFD, (id_t)birth.pidfd, &info, WEXITED) < 0 && errno == EINTR) {}
        }
    }
    const int all[] = {there[0], there[1], stay[0], stay[1]};
    for (int i = 0; i < 4; i++) close(all[i]);
    plan->there = plan->stay = -1;
}
