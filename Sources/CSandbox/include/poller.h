#pragma once

#include <stdint.h>

// epoll and eventfd, whose macros and packed struct Swift cannot import.

enum {
    weir_poll_readable = 1,
    weir_poll_writable = 2,
    weir_poll_closed = 4,
};

struct weir_ready {
    uint64_t token;
    uint32_t events;
};

int weir_poller_create(void);
int weir_poller_add(int poller, int descriptor, uint32_t events, uint64_t token);
int weir_poller_change(int poller, int descriptor, uint32_t events, uint64_t token);
int weir_poller_remove(int poller, int descriptor);
// Waits at most `milliseconds` (-1: for ever); the number of entries filled, 0 also when a signal interrupted.
int weir_poller_wait(int poller, struct weir_ready *ready, int count, int milliseconds);

int weir_wake_create(void);
void weir_wake_signal(int wake);
void weir_wake_clear(int wake);
