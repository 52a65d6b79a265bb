#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int weir_poller_create(void) {
    int poller = epoll_create1(EPOLL_CLOEXEC);
    return poller < 0 ? -errno : poller;
}

static int control(int poller, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {
        .events = ((events & weir_poll_readable) ? EPOLLIN : 0) | ((events & weir_poll_writable) ? EPOLLOUT : 0),
        .data.u64 = token,
    };
    return epoll_ctl(poller, operation, descriptor, &event) < 0 ? -errno : 0;
}

int weir_poller_add(int poller, int descriptor, uint32_t events, uint64_t token) {
    return control(poller, EPOLL_CTL_ADD, descriptor, events, token);
}

int weir_poller_change(int poller, int descriptor, uint32_t events, uint64_t token) {
    return control(poller, EPOLL_CTL_MOD, descriptor, events, token);
}

int weir_poller_remove(int poller, int descriptor) {
    return epoll_ctl(poller, EPOLL_CTL_DEL, descriptor, NULL) < 0 ? -errno : 0;
}

int weir_poller_wait(int poller, struct weir_ready *ready, int count, int milliseconds) {
    struct epoll_event events[64];
    int found = epoll_wait(poller, events, count < 64 ? count : 64, milliseconds);
    if (found < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < found; i++) {
        ready[i].token = events[i].data.u64;
        ready[i].events = ((events[i].events & EPOLLIN) ? weir_poll_readable : 0)
            | ((events[i].events & EPOLLOUT) ? weir_poll_writable : 0)
            | ((events[i].events & (EPOLLHUP | EPOLLERR)) ? weir_poll_closed : 0);
    }
    return found;
}

int weir_wake_create(void) {
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wake < 0 ? -errno : wake;
}

void weir_wake_signal(int wake) {
    uint64_t one = 1;
    // A counter that is full wakes as well, so the result does not matter.
    (void)!write(wake, &one, sizeof one);
}

void weir_wake_clear(int wake) {
    uint64_t value;
    (void)!read(wake, &value, sizeof value);
}
