#define _GNU_SOURCE
#include "sandbox_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "confinement.h"
#include "descriptors.h"
#include "system_calls.h"

static uint64_t microseconds(struct timeval time) { return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec; }

_Noreturn static void fail(const struct plan *plan, struct failure failure) {
    struct weir_status status = {
        .kind = weir_status_failed, .error = failure.error, .stage = (int32_t)failure.stage, .detail = failure.detail};
    (void)!write(plan->status, &status, sizeof status);
    _exit(127);
}

_Noreturn static void fail_at(const struct plan *plan, enum weir_stage stage) {
    fail(plan, (struct failure){errno, stage, 0});
}

// Ends with the launcher. Set after the last change of ids, which clears it; the pipe tells of a launcher that was gone
// before. The launcher has one thread, so "the parent's thread ended" means that it ended.
static void follow_launcher(struct plan *plan) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail_at(plan, weir_stage_session);
    struct pollfd launcher = {plan->alive[0], POLLIN, 0};
    if (poll(&launcher, 1, 0) != 0) _exit(127);
}

// Moves a descriptor out of the way of 0 … 4, so that the final places can be filled in any order.
static int above(struct plan *plan, int descriptor) {
    if (descriptor < 0) return descriptor;
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 16);
    if (moved < 0) fail_at(plan, weir_stage_descriptors);
    return moved;
}

static void place(struct plan *plan, int descriptor, int target) {
    if (descriptor >= 0 && dup2(descriptor, target) < 0) fail_at(plan, weir_stage_descriptors);
}

// The program finds its channels at 0 … 4; the status pipe stays open behind them until it runs.
static void place_descriptors(struct plan *plan) {
    int input = above(plan, plan->input), output = above(plan, plan->output);
    int error_output = above(plan, plan->error_output);
    int control = above(plan, plan->control), ledger = above(plan, plan->ledger), status = above(plan, plan->status);
    int alive = above(plan, plan->alive[0]), forks = above(plan, plan->forks[1]);
    place(plan, plan->start->head.flags & weir_start_control_is_input ? control : input, 0);
    place(plan, output, 1);
    place(plan, error_output, 2);
    place(plan, control, weir_worker_control);
    place(plan, ledger, weir_worker_ledger);
    int unused = control < 0 ? 3 : ledger < 0 ? 4 : 5;
    if (forks >= 0) {
        place(plan, forks, weir_worker_forks);
        unused = weir_worker_forks + 1;
    }
    if (dup3(status, unused, O_CLOEXEC) < 0 || dup3(alive, unused + 1, O_CLOEXEC) < 0
        || close_from((unsigned)unused + 2, ~0U) < 0)
        fail_at(plan, weir_stage_descriptors);
    plan->status = unused;
    plan->alive[0] = unused + 1;
}

_Noreturn static void become_program(struct plan *plan) {
    const struct weir_start *start = plan->start;
    struct failure failure;
    if (setsid() < 0) fail_at(plan, weir_stage_session);
    umask(weir_worker_umask);
    place_descriptors(plan);
    for (uint32_t i = 0; i < start->limit_count; i++) {
        struct rlimit limit = {start->limits[i].value, start->limits[i].value};
        if (setrlimit((int)start->limits[i].resource, &limit) < 0) fail_at(plan, weir_stage_limits);
    }
    // What is ignored stays ignored over exec; a worker begins as a process from a shell would.
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (drop_privileges(start, &failure) < 0) fail(plan, failure);
    // As the program's own user: the folder must be one that it may enter.
    if (chdir(plan->directory) < 0) fail_at(plan, weir_stage_directory);
    // Below a process 1 of its own it ends with that.
    if (!(start->head.flags & weir_start_new_pid)) follow_launcher(plan);
    if (confine(start, &plan->entries, &failure) < 0) fail(plan, failure);
    if (start->head.flags & weir_start_dry) _exit(0);
    // A program that was just unpacked may still be open for writing in a process that another thread of the server is
    // about to replace (it inherits every descriptor until its own exec): that passes within moments.
    for (int attempt = 0; attempt < 25; attempt++) {
        execve(plan->arguments[0], plan->arguments, plan->environment);
        if (errno != ETXTBSY) break;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    fail_at(plan, weir_stage_exec);
}

static pid_t program = -1;
static int status_socket = -1;

static void report_end(int wait_status, const struct rusage *usage) {
    struct weir_status record = {
        .kind = weir_status_ended,
        .wait_status = wait_status,
        .user_microseconds = microseconds(usage->ru_utime),
        .system_microseconds = microseconds(usage->ru_stime),
        .peak_kibibytes = (uint64_t)usage->ru_maxrss,
    };
    (void)!write(status_socket, &record, sizeof record);
}

// The launcher asks process 1 for the end: all others end, and how the program ended is still said. kill(2): -1 is every
// process of this namespace but this one. A program that has ended already keeps its own status; one that has not yet
// become its user cannot be signalled any more, but ends with this process.
static void end_others(int number) {
    (void)number;
    int error = errno;
    kill(-1, SIGKILL);
    if (kill(program, SIGKILL) < 0 && errno == EPERM) {
        struct rusage none = {0};
        report_end(SIGKILL, &none);
        _exit(0);
    }
    errno = error;
}

// The same where a zygote forks the program, and says how it ended.
static void end_joined(int number) {
    (void)number;
    int error = errno;
    kill(-1, SIGKILL);
    errno = error;
}

// Gives back the pages of the launcher's memory that lie wholly in a range. Process 1 lives as long as its sandbox, and there
// may be thousands.
static void forget(const void *from, size_t length) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)from + page - 1) & ~(page - 1), end = ((uintptr_t)from + length) & ~(page - 1);
    if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static void set_blocked(int number, int is_blocked) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

// Process 1: reaps until the program ends, says how, and ends; the kernel then ends all that is left.
_Noreturn static void reap_until_end(struct plan *plan) {
    struct failure failure;
    int status = fcntl(plan->status, F_DUPFD_CLOEXEC, 16), alive = fcntl(plan->alive[0], F_DUPFD_CLOEXEC, 16);
    if (status < 0 || alive < 0) fail_at(plan, weir_stage_descriptors);
    plan->status = dup2(status, 0);
    plan->alive[0] = dup2(alive, 1);
    close_from(2, ~0U);
    if (drop_privileges(plan->start, &failure) < 0) fail(plan, failure);
    // Not to be looked into by the program, which has the same user.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "weir-sandbox", 0, 0, 0);
    follow_launcher(plan);
    status_socket = plan->status;
    forget(plan->start, weir_request_bytes);
    forget(plan, sizeof *plan);
    set_blocked(SIGTERM, 0);
    for (;;) {
        int ended;
        struct rusage usage;
        pid_t pid = wait4(-1, &ended, 0, &usage);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) _exit(127);
        if (pid != program) continue;
        report_end(ended, &usage);
        _exit(0);
    }
}

// Process 1 of a sandbox whose program comes from elsewhere: reaps what the program leaves, until the program's parent lets
// go of the pipe.
_Noreturn static void reap_until_let_go(struct plan *plan) {
    struct failure failure;
    int stay = fcntl(plan->stay, F_DUPFD_CLOEXEC, 16), alive = fcntl(plan->alive[0], F_DUPFD_CLOEXEC, 16);
    if (stay < 0 || alive < 0) fail_at(plan, weir_stage_descriptors);
    plan->stay = dup2(stay, 0);
    plan->alive[0] = dup2(alive, 1);
    plan->status = dup2(plan->status, 2);
    close_from(3, ~0U);
    if (drop_privileges(plan->start, &failure) < 0) fail(plan, failure);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NAME, "weir-sandbox", 0, 0, 0);
    follow_launcher(plan);
    // The program's parent alone says how it ended: nothing may hold this end when it has.
    close(plan->status);
    forget(plan->start, weir_request_bytes);
    forget(plan, sizeof *plan);
    set_blocked(SIGTERM, 0);
    sigset_t waiting;
    sigemptyset(&waiting);
    for (;;) {
        struct pollfd source = {0, POLLIN, 0};
        int ready = ppoll(&source, 1, NULL, &waiting);
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        if (ready > 0) _exit(0);
    }
}

static void ignore_number(int number) { (void)number; }

// The user namespace maps a block of ids, none of which is the launcher's: what is made from here on must be somebody's.
static int become_inner_root(void) {
    return syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0
            || syscall(SYS_setresuid, 0, 0, 0) < 0
        ? -1 : 0;
}

static void send_namespaces(struct plan *plan) {
    static const char *const paths[] = {
        "/proc/self/ns/pid", "/proc/self/ns/mnt", "/proc/self/ns/ipc", "/proc/self/ns/uts", "/proc/self/ns/net"};
    int count = plan->start->head.flags & weir_start_new_net ? 5 : 4, descriptors[5];
    for (int i = 0; i < count; i++) {
        descriptors[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (descriptors[i] < 0) fail_at(plan, weir_stage_namespace);
    }
    struct weir_status status = {.kind = weir_status_namespaces};
    if (send_with_descriptors(plan->status, &status, sizeof status, descriptors, count) < 0)
        fail_at(plan, weir_stage_descriptors);
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

_Noreturn void sandbox_process(struct plan *plan) {
    uint32_t flags = plan->start->head.flags;
    struct failure failure;
    // Of its own namespaces: who wants to come in later needs these, since process 1 will not let itself be looked at.
    int namespaces[4] = {-1, -1, -1, -1}, is_forked = plan->there >= 0;
    close(plan->alive[1]);
    for (int i = 0; i < 2; i++) {
        if (plan->not_its_own[i] >= 0) close(plan->not_its_own[i]);
    }
    int error = groups_enter(&plan->groups);
    if (error) fail(plan, (struct failure){error, weir_stage_groups, 0});
    if ((flags & weir_start_new_user) && !is_forked) {
        char answer = 'n';
        close(plan->go[1]);
        if (read(plan->go[0], &answer, 1) != 1 || answer != 'y') {
            errno = EPERM;
            fail_at(plan, weir_stage_identity);
        }
    }
    if (plan->start->uid_map.count > 1 && become_inner_root() < 0) fail_at(plan, weir_stage_identity);
    if (is_forked) send_namespaces(plan);
    // After the groups are entered: the names of the host's are nobody's business inside.
    if ((flags & weir_start_new_cgroup) && unshare(CLONE_NEWCGROUP) < 0) fail_at(plan, weir_stage_namespace);
    if ((flags & weir_start_new_uts) && syscall(SYS_sethostname, "weir", 4) < 0) fail_at(plan, weir_stage_root);
    if (flags & weir_start_loopback) {
        error = raise_loopback();
        if (error) fail(plan, (struct failure){error, weir_stage_network, 0});
    }
    if (flags & weir_start_new_mount) namespaces[0] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (flags & weir_start_new_net) namespaces[1] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (flags & weir_start_zygote) {
        namespaces[2] = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        namespaces[3] = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    }
    if ((flags & weir_start_root) && sandbox_root_build(plan->start, &plan->entries, &failure) < 0) fail(plan, failure);
    // Before it says that it is there (earlier the launcher ends it with SIGKILL); answered when there is a program.
    if (flags & weir_start_new_pid) {
        set_blocked(SIGTERM, 1);
        signal(SIGTERM, is_forked ? end_joined : end_others);
    }
    struct weir_status ready = {.kind = weir_status_ready};
    if (send_with_descriptors(plan->status, &ready, sizeof ready, namespaces, 4) < 0) fail_at(plan, weir_stage_descriptors);
    for (int i = 0; i < 4; i++) {
        if (namespaces[i] >= 0) close(namespaces[i]);
    }
    if (is_forked) {
        int rules = landlock_rules(plan->start, &plan->entries, &failure);
        if (rules == -2) fail(plan, failure);
        set_blocked(SIGCHLD, 1);
        signal(SIGCHLD, ignore_number);
        if (send_with_descriptors(plan->there, "y", 1, &rules, 1) < 0) fail_at(plan, weir_stage_descriptors);
        reap_until_let_go(plan);
    }
    if (!(flags & weir_start_new_pid)) become_program(plan);
    program = fork();
    if (program < 0) fail_at(plan, weir_stage_fork);
    if (program == 0) become_program(plan);
    reap_until_end(plan);
}
