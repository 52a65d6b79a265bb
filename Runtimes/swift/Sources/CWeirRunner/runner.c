#define _GNU_SOURCE
#include "runner.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct log {
    int descriptor;
    uint64_t frame;
    uint32_t index;
};

static struct log logs[2] = {{1, 0, 0}, {2, 0, 0}};
static char marker[128];
// Calls run one after the other, but a function's own threads may write as well.
static _Atomic uint64_t current_frame;
static _Atomic uint32_t current_index;

static void put(int descriptor, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t count = write(descriptor, bytes, length);
        if (count < 0 && errno != EINTR) return;
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
}

// The stream's own lock is held here.
static ssize_t log_write(void *cookie, const char *bytes, size_t length) {
    struct log *log = cookie;
    uint64_t frame = current_frame;
    uint32_t index = current_index;
    if (marker[0] && frame != 0 && (frame != log->frame || index != log->index)) {
        char text[192];
        text[0] = 0;
        int count = snprintf(text + 1, sizeof text - 1, "%s %llu %u\n", marker, (unsigned long long)frame, index);
        log->frame = frame;
        log->index = index;
        put(log->descriptor, text, (size_t)count + 1);
    }
    put(log->descriptor, bytes, length);
    return (ssize_t)length;
}

static FILE *open_log(struct log *log) {
    FILE *stream = fopencookie(log, "w", (cookie_io_functions_t){.write = log_write});
    // A line at a time, so that nothing is lost with the process.
    if (stream) setvbuf(stream, NULL, _IOLBF, 1 << 14);
    return stream;
}

void weir_logs_open(void) {
    FILE *out = open_log(&logs[0]), *err = open_log(&logs[1]);
    if (out) stdout = out;
    if (err) stderr = err;
}

void weir_logs_mark(const char *text) { snprintf(marker, sizeof marker, "%s", text); }

void weir_logs_call(uint64_t frame, uint32_t index) {
    current_index = index;
    current_frame = frame;
}

void weir_logs_say(const char *text) { fputs(text, stderr); }

void weir_logs_flush(void) {
    // An empty buffer costs a lock and a comparison.
    fflush(stdout);
    fflush(stderr);
}

uint8_t *weir_ledger_map(size_t *size) {
    struct stat status;
    if (fstat(4, &status) < 0 || status.st_size < 64) return NULL;
    *size = (size_t)status.st_size;
    void *address = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
    if (address == MAP_FAILED) return NULL;
    close(4);
    return address;
}

void weir_ledger_set(uint8_t *ledger, unsigned counter, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)(void *)ledger + counter, value, memory_order_release);
}

uint64_t weir_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void weir_limit_memory(uint64_t bytes) { setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}); }
