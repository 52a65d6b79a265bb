#define _GNU_SOURCE
#include "worker_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { argument_maximum = 1024 };

// Everything that the child needs, made before it exists: between vfork and exec only system calls are allowed.
struct plan {
    char *arguments[argument_maximum + 1];
    char *environment[argument_maximum + 1];
    const char *directory;
    const struct weir_request *request;
    pid_t launcher;
    int input, output, error_output, control, ledger;  // the child's ends
    volatile int error;
    volatile enum weir_stage stage;
};

static int split(const struct weir_request *request, char *strings, struct plan *plan) {
    if (request->argument_count == 0 || request->argument_count > argument_maximum
        || request->environment_count > argument_maximum || request->limit_count > weir_limit_count
        || request->strings_length == 0 || strings[request->strings_length - 1] != 0)
        return EINVAL;
    char *next = strings, *end = strings + request->strings_length;
    for (uint32_t i = 0; i < request->argument_count; i++) {
        if (next >= end) return EINVAL;
        plan->arguments[i] = next;
        next += strlen(next) + 1;
    }
    plan->arguments[request->argument_count] = NULL;
    for (uint32_t i = 0; i < request->environment_count; i++) {
        if (next >= end) return EINVAL;
        plan->environment[i] = next;
        next += strlen(next) + 1;
    }
    plan->environment[request->environment_count] = NULL;
    if (next >= end) return EINVAL;
    plan->directory = next;
    return next + strlen(next) + 1 == end ? 0 : EINVAL;
}

static void fail(struct plan *plan, enum weir_stage stage) {
    plan->error = errno;
    plan->stage = stage;
    _exit(127);
}

// Moves a descriptor out of the way of 0 … 4, so that the final places can be filled in any order.
static int above(struct plan *plan, int descriptor) {
    if (descriptor < 0) return descriptor;
    int moved = fcntl(descriptor, F_DUPFD, 16);
    if (moved < 0) fail(plan, weir_stage_descriptors);
    return moved;
}

static void place(struct plan *plan, int descriptor, int target) {
    if (descriptor >= 0 && dup2(descriptor, target) < 0) fail(plan, weir_stage_descriptors);
}

static void run_child(struct plan *plan) {
    if (setsid() < 0) fail(plan, weir_stage_session);
    // The launcher has one thread, so "the parent thread died" means that the launcher died.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail(plan, weir_stage_session);
    if (getppid() != plan->launcher) _exit(127);
    umask(weir_worker_umask);
    if (chdir(plan->directory) < 0) fail(plan, weir_stage_directory);

    int input = above(plan, plan->input), output = above(plan, plan->output);
    int error_output = above(plan, plan->error_output);
    int control = above(plan, plan->control), ledger = above(plan, plan->ledger);
    place(plan, input, 0);
    place(plan, output, 1);
    place(plan, error_output, 2);
    place(plan, control, weir_worker_control);
    place(plan, ledger, weir_worker_ledger);
    unsigned first_unused = control < 0 ? 3 : ledger < 0 ? 4 : 5;
    if (close_range(first_unused, ~0U, 0) < 0) fail(plan, weir_stage_descriptors);

    for (uint32_t i = 0; i < plan->request->limit_count; i++) {
        struct rlimit limit = {plan->request->limits[i].value, plan->request->limits[i].value};
        if (setrlimit((int)plan->request->limits[i].resource, &limit) < 0) fail(plan, weir_stage_limits);
    }
    // What is ignored stays ignored over exec; a worker begins as a process from a shell would.
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // A program that was just unpacked may still be open for writing in a process that another thread of the server is
    // about to replace (it inherits every descriptor until its own exec): that passes within moments.
    for (int attempt = 0; attempt < 25; attempt++) {
        execve(plan->arguments[0], plan->arguments, plan->environment);
        if (errno != ETXTBSY) break;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    fail(plan, weir_stage_exec);
}

static void close_all(const int *descriptors, int count) {
    for (int i = 0; i < count; i++) {
        if (descriptors[i] >= 0) close(descriptors[i]);
    }
}

// Opens the worker's channels: its ends go into the plan, the server's into `server`.
static int open_channels(struct plan *plan, int on_stdio, int server[3]) {
    int pair[2];
    plan->input = plan->output = plan->error_output = plan->control = -1;
    if (on_stdio) {
        if (pipe2(pair, O_CLOEXEC) < 0) return errno;
        plan->input = pair[0];
        server[0] = pair[1];
    } else {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return errno;
        plan->control = pair[0];
        server[0] = pair[1];
        plan->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (plan->input < 0) return errno;
    }
    if (pipe2(pair, O_CLOEXEC) < 0) return errno;
    plan->output = pair[1];
    server[1] = pair[0];
    if (pipe2(pair, O_CLOEXEC) < 0) return errno;
    plan->error_output = pair[1];
    server[2] = pair[0];
    for (int i = 0; i < 3; i++) {
        if (fcntl(server[i], F_SETFL, O_NONBLOCK) < 0) return errno;
    }
    return 0;
}

struct weir_started weir_worker_start(const struct weir_request *request, char *strings, int ledger) {
    struct weir_started started = {.pid = -1, .descriptors = {-1, -1, -1}};
    static struct plan plan;  // too large for a comfortable stack; there is one thread
    plan = (struct plan){.request = request, .launcher = getpid(), .ledger = ledger};
    plan.input = plan.output = plan.error_output = plan.control = -1;
    started.error = split(request, strings, &plan);
    started.stage = started.error ? weir_stage_request : weir_stage_none;
    if (started.error == 0) {
        started.error = open_channels(&plan, request->flags & weir_start_on_stdio, started.descriptors);
        started.stage = started.error ? weir_stage_descriptors : weir_stage_none;
    }
    if (started.error == 0) {
        // vfork: the launcher stands still until the child has begun the program (or failed), so that the child can
        // say why it failed through shared memory, and nothing of the launcher is copied.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
        pid_t pid = vfork();
#pragma clang diagnostic pop
        if (pid == 0) run_child(&plan);
        started.pid = pid;
        if (pid < 0) {
            started.error = errno;
            started.stage = weir_stage_fork;
        } else {
            started.error = plan.error;
            started.stage = plan.stage;
        }
    }
    close_all((int[]){plan.input, plan.output, plan.error_output, plan.control}, 4);
    if (started.error != 0) {
        close_all(started.descriptors, 3);
        started.descriptors[0] = started.descriptors[1] = started.descriptors[2] = -1;
    }
    return started;
}
