#pragma once

#include <errno.h>
#include <seccomp.h>

// Actions that the library writes as macros with arguments or casts, which Swift cannot import.
static inline uint32_t weir_seccomp_allow(void) { return SCMP_ACT_ALLOW; }
static inline uint32_t weir_seccomp_kill(void) { return SCMP_ACT_KILL_PROCESS; }
static inline uint32_t weir_seccomp_refuse(int error) { return SCMP_ACT_ERRNO((uint16_t)error); }
