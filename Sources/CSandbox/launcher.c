#define _GNU_SOURCE
// The launcher: starts workers, reaps them, ends what they leave behind. It knows no functions, queues or deadlines.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher_protocol.h"
#include "worker_start.h"

enum { control_socket = 0 };

struct slot {
    uint64_t number;
    pid_t pid;
};

static struct slot slots[weir_slot_count];
static uint32_t slot_total;
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

static void answer(const struct weir_reply *reply, const int descriptors[3]) {
    struct iovec part = {.iov_base = (void *)reply, .iov_len = sizeof *reply};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } ancillary = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptors) {
        message.msg_control = ancillary.space;
        message.msg_controllen = sizeof ancillary.space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
        memcpy(CMSG_DATA(rights), descriptors, 3 * sizeof(int));
    }
    // A server that is gone is noticed where requests are read.
    while (sendmsg(control_socket, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
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

static void reap(void) {
    int reaped = 0;
    for (;;) {
        // First only look, so that the number still names the process group when it is signalled.
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) break;
        struct slot *slot = slot_of_process(info.si_pid);
        if (slot) kill(-info.si_pid, SIGKILL);
        int status;
        struct rusage usage;
        if (wait4(info.si_pid, &status, WNOHANG, &usage) <= 0) break;
        reaped = 1;
        if (!slot) continue;
        struct weir_reply reply = {
            .kind = weir_reply_exited,
            .slot = slot->number,
            .pid = slot->pid,
            .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
            .user_microseconds = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec,
            .system_microseconds = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec,
            .peak_kibibytes = (uint64_t)usage.ru_maxrss,
        };
        *slot = slots[--slot_total];
        reply.running = slot_total;
        answer(&reply, NULL);
    }
    if (reaped) end_orphans(0);
}

static void start(const struct weir_request *request, char *strings, int ledger) {
    struct weir_reply reply = {.kind = weir_reply_started, .slot = request->slot};
    if (slot_total == weir_slot_count || slot_of_number(request->slot)) {
        reply.error = slot_total == weir_slot_count ? EAGAIN : EEXIST;
        reply.stage = weir_stage_request;
        answer(&reply, NULL);
        return;
    }
    struct weir_started started = weir_worker_start(request, strings, ledger);
    reply.error = started.error;
    reply.stage = (int32_t)started.stage;
    reply.pid = started.pid;
    if (started.error == 0) slots[slot_total++] = (struct slot){request->slot, started.pid};
    reply.running = slot_total;
    answer(&reply, started.error == 0 ? started.descriptors : NULL);
    for (int i = 0; i < 3; i++) {
        if (started.descriptors[i] >= 0) close(started.descriptors[i]);
    }
}

// Handles one request; 0 when the server is gone.
static int serve(void) {
    static union {
        struct weir_request request;
        char bytes[weir_request_bytes];
    } input;
    struct iovec part = {.iov_base = input.bytes, .iov_len = sizeof input.bytes};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } ancillary = {0};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.space,
        .msg_controllen = sizeof ancillary.space,
    };
    ssize_t length = recvmsg(control_socket, &message, MSG_CMSG_CLOEXEC);
    if (length < 0) return errno == EINTR || errno == EAGAIN;
    if (length == 0) return 0;
    int passed = -1;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
        memcpy(&passed, CMSG_DATA(rights), sizeof passed);

    const struct weir_request *request = &input.request;
    struct weir_reply reply = {.slot = request->slot, .running = slot_total};
    if ((size_t)length < sizeof *request || (message.msg_flags & MSG_TRUNC)
        || (size_t)length != sizeof *request + request->strings_length) {
        reply.kind = weir_reply_started;
        reply.error = EINVAL;
        reply.stage = weir_stage_request;
        answer(&reply, NULL);
    } else if (request->kind == weir_request_start) {
        start(request, input.bytes + sizeof *request, passed);
    } else if (request->kind == weir_request_kill) {
        struct slot *slot = slot_of_number(request->slot);
        if (slot) kill(-slot->pid, SIGKILL);
    } else if (request->kind == weir_request_stats) {
        reply.kind = weir_reply_stats;
        answer(&reply, NULL);
    } else if (request->kind == weir_request_probe) {
        int subreaper = 0;
        prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
        reply.kind = weir_reply_probed;
        reply.features = (subreaper ? weir_feature_subreaper : 0)
            | (access(children_path, R_OK) == 0 ? weir_feature_children_list : 0);
        answer(&reply, NULL);
    }
    if (passed >= 0) close(passed);
    return 1;
}

// The server's end is closed: nothing of ours may stay.
static void end_everything(void) {
    for (uint32_t i = 0; i < slot_total; i++) kill(-slots[i].pid, SIGKILL);
    for (;;) {
        end_orphans(1);
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
    }
}

int weir_launcher_main(void) {
    if (close_range(3, ~0U, 0) < 0) return 1;
    fcntl(control_socket, F_SETFD, FD_CLOEXEC);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return 1;
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
        if (poll(sources, 2, -1) < 0 && errno != EINTR) break;
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
