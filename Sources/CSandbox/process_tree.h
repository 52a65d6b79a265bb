#pragma once

#include <sys/types.h>

// Sends a signal to every process below `root`, and to `root` itself when `with_root`, by the kernel's lists of
// children; for hosts without a unified control group tree.
void signal_tree(pid_t root, int with_root, int number);
