#define _GNU_SOURCE
// The launcher: starts workers, reaps them, ends what they leave behind. It knows no functions, queues or deadlines.

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "confinement.h"
#include "descriptors.h"
#include "groups.h"
#include "inside.h"
#include "launcher_protocol.h"
#include "process_tree.h"
#include "request_strings.h"
#include "system_calls.h"
#include "worker_start.h"

enum { control_socket = 0 };

struct slot {
    uint64_t number;
    pid_t pid;
    int pidfd;
    int status;      // what the worker says of its failure or end
    uint32_t flags;  // of its start
    int is_ready, is_frozen;
    pid_t program;  // where a zygote has forked it; 0: a child of process 1, or `pid` itself
    int mounts, network;  // its namespaces, once it is ready; -1 where it has none of its own
    int users, processes;  // the same of a zygote
    int forks;             // where a zygote is asked to fork; -1 for others
    struct weir_status failed, ended;  // kind 0: not said
    int64_t ends_by;  // it was asked to end; what is left then is killed. 0: it was not asked
};

static struct slot slots[weir_slot_count];
static uint32_t slot_total;
static uint32_t ending_total;  // slots with `ends_by`
static int alive[2];  // closed with the launcher
static char children_path[64];

static struct slot *slot_of_process(pid_t pid) {
    for (uint32_t i = 0; i < slot_total; i++) {
        if (slots[i].pid == pid) return &slots[i];
    }
    return NULL;
}

static struct slot *slot_of_number(uint64_t number) {
    for (uint32_t i = 0; i < slot_total; i++) {
        if (slots[i].number == number) return &slots[i];
    }
    return NULL;
}

static void answer(struct weir_reply *reply, const int *descriptors, int count) {
    reply->running = slot_total;
    // A server that is gone is noticed where requests are read.
    while (send_with_descriptors(control_socket, reply, sizeof *reply, descriptors, count) < 0 && errno == EINTR) {}
}


// Kills processes that came to us because their parents died (we are their subreaper): those in the session of a living
// worker stay, they end with it; those that left their worker's session, or whose worker is gone, end now. A process
// killed here may leave children of its own to us; its own end makes us look again.
static void end_orphans(int all) {
    int list = open(children_path, O_RDONLY | O_CLOEXEC);
    if (list < 0) return;
    static char text[1 << 16];
    size_t length = 0;
    ssize_t count;
    while (length < sizeof text - 1 && (count = read(list, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)count;
    close(list);
    text[length] = 0;
    char *next = text;
    for (;;) {
        char *end;
        pid_t pid = (pid_t)strtol(next, &end, 10);
        if (end == next) break;
        next = end;
        if (!all && (slot_of_process(pid) || slot_of_process(getsid(pid)))) continue;
        kill(pid, SIGKILL);
    }
}

static void fill_usage(struct weir_reply *reply, const struct slot *slot) {
    struct group_usage usage;
    if (!(slot->flags & weir_start_groups)) return;
    groups_usage(slot->number, &usage);
    if (usage.peak > reply->peak_bytes) reply->peak_bytes = usage.peak;
    reply->memory_bytes = usage.memory;
    reply->processes = usage.processes;
    reply->out_of_memory = usage.out_of_memory;
    if (!usage.has_time) return;
    reply->user_microseconds = usage.user_microseconds;
    reply->system_microseconds = usage.system_microseconds;
}

// Reads what a worker has said.
static void read_status(struct slot *slot) {
    struct weir_status said;
    int namespaces[4];
    pid_t sender = 0;
    while (receive_from(slot->status, &said, sizeof said, namespaces, 4, &sender) == sizeof said) {
        if (said.kind == weir_status_program && !slot->program) slot->program = sender;
        if (said.kind == weir_status_ready && !slot->is_ready) {
            int next = 0;
            slot->is_ready = 1;
            slot->mounts = slot->flags & weir_start_new_mount ? namespaces[next++] : -1;
            slot->network = slot->flags & weir_start_new_net ? namespaces[next++] : -1;
            slot->users = slot->flags & weir_start_zygote ? namespaces[next++] : -1;
            slot->processes = slot->flags & weir_start_zygote ? namespaces[next] : -1;
        }
        if (said.kind == weir_status_failed && slot->failed.kind == 0) slot->failed = said;
        if (said.kind == weir_status_ended) slot->ended = said;
    }
}

// Waits until a worker that was just started is in its own root; 0 when it will not be. Takes a millisecond or two, and
// workers that are given something have mostly been waiting for it.
static int wait_until_ready(struct slot *slot) {
    for (int attempt = 0; attempt < 40; attempt++) {
        read_status(slot);
        if (slot->is_ready) return 1;
        struct pollfd status = {slot->status, POLLIN, 0};
        if (slot->failed.kind || (poll(&status, 1, 50) > 0 && !(status.revents & POLLIN))) return 0;
    }
    return 0;
}

// Ends all processes of a slot at once. Where it has no process 1 whose end is the end of all, those that stay in its
// session go now, and those that have left it when they come to us (or with its control group).
static void end_slot(const struct slot *slot) {
    signal_process(slot->pidfd, SIGKILL);
    if (slot->flags & weir_start_new_pid) return;
    kill(-slot->pid, SIGKILL);
    if (slot->flags & weir_start_groups) groups_kill(slot->number);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// Ends a slot. A process 1 is asked, so that it can still say how the program ended, which may have happened just now.
static void ask_to_end(struct slot *slot) {
    read_status(slot);
    if (!(slot->flags & weir_start_new_pid) || !slot->is_ready || slot->is_frozen || slot->ends_by) {
        end_slot(slot);
        return;
    }
    slot->ends_by = now() + 500;
    ending_total++;
    signal_process(slot->pidfd, SIGTERM);
}

// Kills what was asked and has not ended; milliseconds until the next look, -1 when there is nothing to look for.
static int end_late(void) {
    if (ending_total == 0) return -1;
    int64_t time = now();
    for (uint32_t i = 0; i < slot_total; i++) {
        if (slots[i].ends_by && slots[i].ends_by <= time) end_slot(&slots[i]);
    }
    return 100;
}

// Says how a slot's process ended, and forgets the slot.
static void slot_ended(struct slot *slot, int status, const struct rusage *usage) {
    struct weir_reply reply = {
        .kind = weir_reply_exited,
        .slot = slot->number,
        .pid = slot->pid,
        .user_microseconds = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec,
        .system_microseconds = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec,
        .peak_bytes = (uint64_t)usage->ru_maxrss * 1024,
    };
    read_status(slot);
    if (slot->failed.kind) {
        reply.error = slot->failed.error;
        reply.stage = slot->failed.stage;
        reply.detail = slot->failed.detail;
    }
    if (slot->ended.kind) {
        status = slot->ended.wait_status;
        if (slot->ended.peak_kibibytes) reply.peak_bytes = slot->ended.peak_kibibytes * 1024;
    }
    reply.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    reply.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    fill_usage(&reply, slot);
    if (slot->flags & weir_start_groups) {
        groups_kill(slot->number);
        groups_remove(slot->number);
        groups_sweep();
    }
    const int own[] = {
        slot->pidfd, slot->status, slot->mounts, slot->network, slot->users, slot->processes, slot->forks};
    for (int i = 0; i < 7; i++) {
        if (own[i] >= 0) close(own[i]);
    }
    if (slot->ends_by) ending_total--;
    *slot = slots[--slot_total];
    answer(&reply, NULL, 0);
}

static void reap(void) {
    int reaped = 0;
    for (;;) {
        // First only look, so that the number still names the process group when it is signalled.
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) break;
        struct slot *slot = slot_of_process(info.si_pid);
        if (slot) end_slot(slot);
        int status;
        struct rusage usage;
        if (wait4(info.si_pid, &status, WNOHANG, &usage) <= 0) break;
        reaped = 1;
        if (slot) slot_ended(slot, status, &usage);
    }
    if (reaped) end_orphans(0);
}

static void start(const struct weir_start *request, const char *strings, int ledger) {
    struct weir_reply reply = {.kind = weir_reply_started, .slot = request->head.slot};
    if (slot_total == weir_slot_count || slot_of_number(request->head.slot)) {
        reply.error = slot_total == weir_slot_count ? EAGAIN : EEXIST;
        reply.stage = weir_stage_request;
        answer(&reply, NULL, 0);
        return;
    }
    struct zygote zygote = {-1, -1, -1};
    if (request->head.kind == weir_request_fork) {
        struct slot *slot = slot_of_number(request->zygote);
        if (!slot || !(slot->flags & weir_start_zygote) || !wait_until_ready(slot)) {
            reply.error = ESRCH;
            reply.stage = weir_stage_zygote;
            answer(&reply, NULL, 0);
            return;
        }
        zygote = (struct zygote){slot->users, slot->processes, slot->forks};
    }
    struct weir_started started =
        weir_worker_start(request, strings, ledger, alive, zygote.forks >= 0 ? &zygote : NULL);
    reply.error = started.error;
    reply.stage = (int32_t)started.stage;
    reply.detail = started.detail;
    reply.pid = started.pid;
    if (started.error == 0) {
        slots[slot_total++] = (struct slot){
            .number = request->head.slot, .pid = started.pid, .pidfd = started.pidfd, .status = started.status,
            .flags = request->head.flags, .mounts = -1, .network = -1, .users = -1, .processes = -1,
            .forks = started.forks};
    }
    answer(&reply, started.descriptors, started.error == 0 ? 3 : 0);
    for (int i = 0; i < 3; i++) {
        if (started.descriptors[i] >= 0) close(started.descriptors[i]);
    }
}

static int write_own(const char *file, const struct weir_id_map *map) {
    char text[64];
    int length = map ? snprintf(text, sizeof text, "%u %u %u\n", map->inside, map->outside, map->count)
                     : snprintf(text, sizeof text, "deny");
    int descriptor = open(file, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    int error = write(descriptor, text, (size_t)length) < 0 ? errno : 0;
    close(descriptor);
    return error;
}

static void setup(const struct weir_setup *request, const char *strings) {
    struct weir_reply reply = {.kind = weir_reply_done, .token = request->head.token};
    struct request_strings rest = {strings, request->head.strings_length};
    const char *directories[weir_group_count];
    size_t filters = 0;
    for (int i = 0; i < weir_group_count; i++) directories[i] = next_string(&rest);
    for (int i = 0; i < weir_filter_count; i++) filters += request->filter_bytes[i];
    if (rest.next == NULL || rest.left != filters) reply.error = EINVAL;
    if (!reply.error) reply.error = filters_setup(request->filter_bytes, rest.next);
    reply.stage = reply.error ? weir_stage_request : weir_stage_none;
    // Opened before the user namespace is entered, where their owner may be nobody.
    if (!reply.error && (reply.error = groups_setup(directories, request->unified_controls)) != 0)
        reply.stage = weir_stage_groups;
    if (!reply.error && request->own_user_namespace) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) reply.error = errno;
        // An ordinary user may map one group only after giving up setgroups(2): user_namespaces(7).
        if (!reply.error) reply.error = write_own("/proc/self/setgroups", NULL);
        if (!reply.error) reply.error = write_own("/proc/self/uid_map", &request->uid_map);
        if (!reply.error) reply.error = write_own("/proc/self/gid_map", &request->gid_map);
        if (reply.error) reply.stage = weir_stage_identity;
    }
    answer(&reply, NULL, 0);
}

// Requests about a running slot.
static void act(const struct weir_request *request, const struct weir_attach *attach, const char *strings, int passed) {
    struct weir_reply reply = {.kind = weir_reply_done, .slot = request->slot, .token = request->token};
    struct slot *slot = slot_of_number(request->slot);
    struct request_strings rest = {strings, request->strings_length};
    struct failure failure = {0};
    int descriptor = -1;
    int needed = request->kind == weir_request_listen ? weir_start_new_net
        : request->kind == weir_request_attach || request->kind == weir_request_detach ? weir_start_root : 0;
    if (!slot || (slot->flags & (uint32_t)needed) != (uint32_t)needed) {
        failure = (struct failure){slot ? ENOSYS : ESRCH, weir_stage_slot, 0};
    } else if (needed && !wait_until_ready(slot)) {
        failure = (struct failure){ESRCH, weir_stage_slot, 0};
    } else if (request->kind == weir_request_attach || request->kind == weir_request_detach) {
        const char *source = next_string(&rest), *target = next_string(&rest);
        if (!is_used_up(&rest)) failure = (struct failure){EINVAL, weir_stage_request, 0};
        else if (request->kind == weir_request_attach)
            inside_attach(slot->mounts, attach, source, passed, target, &descriptor, &failure);
        else inside_detach(slot->mounts, target, &failure);
    } else if (request->kind == weir_request_listen) {
        descriptor = inside_listen(slot->network, request->flags, &failure);
    } else if (request->kind == weir_request_freeze || request->kind == weir_request_thaw) {
        int frozen = request->kind == weir_request_freeze;
        // It is idle: what has left its session meanwhile, unseen, must not go on.
        if (frozen && !(slot->flags & weir_start_new_pid)) end_orphans(0);
        slot->is_frozen = frozen;
        if (!(slot->flags & weir_start_groups) || groups_freeze(slot->number, frozen) < 0) {
            int number = frozen ? SIGSTOP : SIGCONT;
            read_status(slot);
            signal_tree(slot->pid, !(slot->flags & weir_start_new_pid), number);
            if (slot->program > 0) signal_tree(slot->program, 1, number);
        }
    } else if (request->kind == weir_request_stats) {
        reply.kind = weir_reply_stats;
        read_status(slot);
        reply.pid = slot->program;
        fill_usage(&reply, slot);
    }
    reply.error = failure.error;
    reply.stage = (int32_t)failure.stage;
    answer(&reply, &descriptor, descriptor >= 0 ? 1 : 0);
    if (descriptor >= 0) close(descriptor);
}

static union {
    struct weir_request request;
    struct weir_start start;
    struct weir_setup setup;
    struct weir_attach attach;
    char bytes[weir_request_bytes];
} input;

static size_t size_of(uint32_t kind) {
    return kind == weir_request_start || kind == weir_request_fork ? sizeof input.start
        : kind == weir_request_setup  ? sizeof input.setup
        : kind == weir_request_attach || kind == weir_request_detach ? sizeof input.attach
                                      : sizeof input.request;
}

// Handles one request; 0 when the server is gone.
static int serve(void) {
    int passed;
    ssize_t length = receive_with_descriptors(control_socket, input.bytes, sizeof input.bytes, &passed, 1);
    if (length < 0) return errno == EINTR || errno == EAGAIN;
    if (length == 0) return 0;

    const struct weir_request *request = &input.request;
    size_t fixed = (size_t)length < sizeof *request ? sizeof *request : size_of(request->kind);
    const char *strings = input.bytes + fixed;
    if ((size_t)length < fixed || (size_t)length > sizeof input.bytes
        || (size_t)length != fixed + request->strings_length) {
        struct weir_reply reply = {
            .kind = (size_t)length >= sizeof *request && request->kind != weir_request_start ? weir_reply_done
                                                                                             : weir_reply_started,
            .slot = request->slot, .token = request->token, .error = EINVAL, .stage = weir_stage_request};
        answer(&reply, NULL, 0);
    } else if (request->kind == weir_request_setup) {
        setup(&input.setup, strings);
    } else if (request->kind == weir_request_start || request->kind == weir_request_fork) {
        start(&input.start, strings, passed);
    } else if (request->kind == weir_request_kill) {
        struct slot *slot = slot_of_number(request->slot);
        if (slot) ask_to_end(slot);
    } else {
        act(request, &input.attach, strings, passed);
    }
    if (passed >= 0) close(passed);
    // Workers are copies of this process before they are programs: no other's strings may be in them.
    explicit_bzero(input.bytes, (size_t)length < sizeof input.bytes ? (size_t)length : sizeof input.bytes);
    return 1;
}

// The server's end is closed: nothing of ours may stay.
static void end_everything(void) {
    for (uint32_t i = 0; i < slot_total; i++) end_slot(&slots[i]);
    for (;;) {
        end_orphans(1);
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) break;
    }
    for (uint32_t i = 0; i < slot_total; i++) {
        if (slots[i].flags & weir_start_groups) groups_remove(slots[i].number);
    }
    groups_sweep();
}

int weir_launcher_main(void) {
    if (close_from(3, ~0U) < 0) return 1;
    fcntl(control_socket, F_SETFD, FD_CLOEXEC);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return 1;
    if (pipe2(alive, O_CLOEXEC) < 0) return 1;
    // A worker takes four descriptors here.
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    snprintf(children_path, sizeof children_path, "/proc/self/task/%d/children", (int)getpid());
    // Only the end of the control socket ends the launcher: a service manager's signal to the whole group must not take
    // the workers from under a server that is still finishing their calls.
    for (int number = 1; number < NSIG; number++) {
        if (number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT || number == SIGPIPE)
            signal(number, SIG_IGN);
    }
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    int ends = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (ends < 0) return 1;

    struct pollfd sources[2] = {{control_socket, POLLIN, 0}, {ends, POLLIN, 0}};
    for (;;) {
        if (poll(sources, 2, end_late()) < 0 && errno != EINTR) break;
        if (sources[1].revents) {
            struct signalfd_siginfo signals[16];
            while (read(ends, signals, sizeof signals) > 0) {}
            reap();
        }
        if (sources[0].revents && !serve()) break;
    }
    end_everything();
    return 0;
}
