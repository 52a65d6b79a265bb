#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What the server and the launcher say to each other: one fixed struct a message on a SEQPACKET socket, file
// descriptors beside it (SCM_RIGHTS). The only variable part is the strings behind a start request; their number and
// total length stand in the struct and are checked before anything is used.

enum weir_request_kind {
    weir_request_probe = 1,
    weir_request_start = 2,
    weir_request_kill = 3,
    weir_request_stats = 4,
};

enum weir_reply_kind {
    weir_reply_probed = 1,
    weir_reply_started = 2,
    weir_reply_exited = 3,
    weir_reply_stats = 4,
};

// What a start that failed was about.
enum weir_stage {
    weir_stage_none = 0,
    weir_stage_request,    // the request itself is not well-formed
    weir_stage_descriptors,
    weir_stage_fork,
    weir_stage_session,
    weir_stage_directory,
    weir_stage_limits,
    weir_stage_exec,
};

enum {
    // The worker speaks on stdin and stdout (two pipes) instead of a socket pair on descriptor 3.
    weir_start_on_stdio = 1,
    weir_limit_count = 8,
    // The longest request: fixed part and strings.
    weir_request_bytes = 192 * 1024,
    // How many workers one launcher holds.
    weir_slot_count = 4096,
    // Where a worker finds its control socket and its ledger (see process_memory.h).
    weir_worker_control = 3,
    weir_worker_ledger = 4,
    // The file mode creation mask of workers: nothing for others.
    weir_worker_umask = 027,
};

// Bits of `features` in a probe's reply.
enum {
    weir_feature_subreaper = 1,
    weir_feature_children_list = 2,
};

struct weir_limit {
    uint32_t resource;  // RLIMIT_…
    uint32_t reserved;
    uint64_t value;  // soft and hard
};

struct weir_request {
    uint32_t kind;
    uint32_t flags;
    uint64_t slot;
    // Of a start only. The strings follow the struct, each ended by NUL: arguments (the first is the absolute path of
    // the program), environment (NAME=value), working directory.
    uint32_t argument_count;
    uint32_t environment_count;
    uint32_t strings_length;
    uint32_t limit_count;
    struct weir_limit limits[weir_limit_count];
};

struct weir_reply {
    uint32_t kind;
    int32_t error;  // errno of what failed, 0 when nothing did
    uint64_t slot;
    int32_t stage;
    int32_t pid;
    int32_t exit_status;  // -1 when a signal ended it
    int32_t signal;
    uint64_t user_microseconds;
    uint64_t system_microseconds;
    uint64_t peak_kibibytes;
    uint32_t running;
    uint32_t features;
};

// The launcher's whole life: serves requests on descriptor 0 until the other end is closed, then ends every process
// below it. Returns the exit status.
int weir_launcher_main(void);

// Server side. Each returns 0 (or what is said) and errno-style numbers negated on failure.

// Starts the launcher with its control socket as stdin.
int weir_launcher_spawn(const char *path, pid_t *pid, int *control);
// Sends one request; `descriptor` travels along when it is not negative. -EAGAIN when the socket is full.
int weir_launcher_send(int control, const void *request, size_t length, int descriptor);
// Receives one reply and up to three descriptors (-1 where there is none). 1 on a reply, 0 at the end of the stream.
int weir_launcher_receive(int control, struct weir_reply *reply, int descriptors[3]);
