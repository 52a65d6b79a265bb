#pragma once

#include <sys/types.h>

#include "launcher_protocol.h"

// What became of one start.
struct weir_started {
    pid_t pid;
    int error;
    enum weir_stage stage;
    // For the server: control socket (or the pipe to stdin), the pipe from stdout, the pipe from stderr; -1 on failure.
    int descriptors[3];
};

// Starts a worker as a request says. `strings` are the checked strings of the request; `ledger` may be -1.
struct weir_started weir_worker_start(const struct weir_request *request, char *strings, int ledger);
