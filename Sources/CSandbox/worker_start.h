#pragma once

#include <sys/types.h>

#include "launcher_protocol.h"

// What became of one start. What goes wrong after the process exists stands on its status pipe.
struct weir_started {
    pid_t pid;
    int pidfd;
    int error;
    enum weir_stage stage;
    int detail;
    // For the server: control socket (or the pipe to stdin), the pipe from stdout, the pipe from stderr; -1 on failure.
    int descriptors[3];
    // For the launcher: where the worker says how it failed or ended (struct weir_status).
    int status;
    // For the launcher: where a zygote is asked to fork; -1 for others.
    int forks;
};

// A running process that forks programs of other sandboxes.
struct zygote {
    int users, processes;  // its namespaces
    int forks;             // where it is asked
};

// Starts a worker as a request says; `zygote` forks its program, unless it is NULL. `strings` are the checked strings of the request; `ledger` may be -1; `alive` is
// a pipe whose writing end the launcher alone holds.
struct weir_started weir_worker_start(
    const struct weir_start *start, const char *strings, int ledger, const int alive[2], const struct zygote *zygote);
