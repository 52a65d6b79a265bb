#pragma once

#include "sandbox_root.h"

// The programs of seccomp that the setup brought. 0 or an errno.
int filters_setup(const uint32_t bytes[weir_filter_count], const char *programs);

// A program of the setup by its number, from 1; NULL for 0.
const void *filter_program(uint32_t number, uint32_t *bytes);

// The calling process becomes the user of the sandbox and gives up its capabilities, as the start says. 0 or -1.
int drop_privileges(const struct weir_start *start, struct failure *failure);
// The rules of Landlock that the entries say, as a descriptor; -1 when the start wants none, -2 with the failure filled.
int landlock_rules(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure);
// Landlock, then seccomp: from here on only what they allow is possible. 0 or -1.
int confine(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure);
// The loopback interface of the calling process's network comes up; 0 or an errno.
int raise_loopback(void);
