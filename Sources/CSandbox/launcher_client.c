#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "launcher_protocol.h"

int weir_launcher_spawn(const char *path, pid_t *pid, int *control) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
    // One request must fit the socket's buffer whole.
    int size = 2 * weir_request_bytes;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    // A session of its own: a terminal's interrupt is for the server, which stops its workers in order.
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    char *const arguments[] = {(char *)path, NULL};
    char *const environment[] = {NULL};
    int error = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(pair[1]);
    if (error != 0) {
        close(pair[0]);
        return -error;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *control = pair[0];
    return 0;
}

int weir_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0; }

int weir_launcher_send(int control, const void *request, size_t length, int descriptor) {
    return send_with_descriptors(control, request, length, &descriptor, 1) < 0 ? -errno : 0;
}

int weir_launcher_receive(int control, struct weir_reply *reply, int descriptors[3]) {
    ssize_t count = receive_with_descriptors(control, reply, sizeof *reply, descriptors, 3);
    if (count < 0) return -errno;
    if (count == 0) return 0;
    return count == sizeof *reply ? 1 : -EBADMSG;
}
