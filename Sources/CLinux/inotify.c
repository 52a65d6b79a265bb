#define _GNU_SOURCE
#include "inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

int weir_inotify_open(void) { return inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }

int weir_inotify_watch(int descriptor, const char *path, uint32_t mask) {
    return inotify_add_watch(descriptor, path, mask | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK);
}

int weir_inotify_unwatch(int descriptor, int watch) { return inotify_rm_watch(descriptor, watch); }

int weir_wake_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void weir_wake(int descriptor) {
    // Fails only when the counter is full, and then the descriptor is readable already.
    (void)!eventfd_write(descriptor, 1);
}

void weir_wake_reset(int descriptor) {
    eventfd_t value;
    (void)!eventfd_read(descriptor, &value);
}

int weir_poll2(int first, int second, int milliseconds) {
    struct pollfd descriptors[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    int ready = poll(descriptors, 2, milliseconds);
    if (ready < 0) return errno == EINTR ? 0 : -1;
    return (descriptors[0].revents ? 1 : 0) | (descriptors[1].revents ? 2 : 0);
}

int weir_file_writers(const char *path) {
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) return errno == EACCES || errno == EPERM ? 2 : -1;
    // Whoever opens the file for writing while we hold the lease waits until it is given back, and we are sent a
    // signal: by default SIGIO, which would end the process. SIGURG is ignored by default.
    fcntl(descriptor, F_SETSIG, SIGURG);
    int answer;
    if (fcntl(descriptor, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(descriptor, F_SETLEASE, F_UNLCK);
        answer = 0;
    } else {
        answer = errno == EAGAIN ? 1 : 2;
    }
    close(descriptor);
    return answer;
}
