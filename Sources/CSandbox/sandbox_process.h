#pragma once

#include <sys/types.h>

#include "groups.h"
#include "sandbox_root.h"

enum { argument_maximum = 1024 };

// Everything that a new process needs, made before it exists.
struct plan {
    char *arguments[argument_maximum + 1];
    char *environment[argument_maximum + 1];
    const char *directory;
    struct entry_strings entries;
    const struct weir_start *start;
    pid_t launcher;
    int input, output, error_output, control, ledger;  // the program's ends
    int status;                                        // says how it failed or ended
    int go[2];                                         // says that the id maps are written
    int forks[2];                                      // a zygote's socket to the launcher; its end is the second
    // Where the zygote forks the program, else -1: says that the sandbox is there; is closed when the program has ended.
    int there, stay;
    int not_its_own[2];                                // the others' ends of these
    int alive[2];                                      // its writing end is closed when the launcher is gone
    struct slot_groups groups;
};

// The life of a new process, from clone to its end or the program.
_Noreturn void sandbox_process(struct plan *plan);
