#pragma once

#include "sandbox_process.h"
#include "worker_start.h"

// A sandbox whose program is forked by a running process, the zygote. Its process 1 is made as every other's, but inside
// the zygote's user and process namespace, so that the zygote may send a child in. The zygote says how the program ended,
// and holds a pipe whose end ends process 1 and with it everything.

// Makes process 1, waits until its namespaces are known, and asks the zygote for the program. What goes wrong later stands
// on the status socket.
void run_forked(struct plan *plan, const struct zygote *zygote, struct weir_started *started);
