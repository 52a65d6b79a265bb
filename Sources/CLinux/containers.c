#define _GNU_SOURCE
#include "containers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive.h"

const int weir_open_path = O_PATH;

int weir_open_in_root(int directory, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (result < 0 && (errno == ENOSYS || errno == EPERM)) return weir_open_beneath(directory, path, flags, mode);
    return (int)result;
}

int weir_overlay_whiteout(int directory, const char *name) {
    return mknodat(directory, name, S_IFCHR | 0600, makedev(0, 0));
}

int weir_overlay_opaque(int folder, int unprivileged) {
    return fsetxattr(folder, unprivileged ? "user.overlay.opaque" : "trusted.overlay.opaque", "y", 1, 0);
}

int weir_has_attribute(const char *path, const char *name) { return lgetxattr(path, name, NULL, 0) >= 0; }

struct visit {
    int network, user;
    volatile int socket, error;
};

/* Runs in the memory and with the descriptors of the caller, which stands still meanwhile: system calls only. */
static int visit(void *argument) {
    struct visit *visit = argument;
    int entered = setns(visit->network, CLONE_NEWNET);
    if (entered < 0 && errno == EPERM && visit->user >= 0) {
        /* Not ours to enter as we are, but perhaps as the owner of its user namespace. */
        entered = setns(visit->user, CLONE_NEWUSER);
        if (entered == 0) entered = setns(visit->network, CLONE_NEWNET);
    }
    if (entered == 0) visit->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    visit->error = errno;
    return 0;
}

int weir_open_network(pid_t process, int *network, int *user) {
    char path[64];
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)process);
    *network = open(path, O_RDONLY | O_CLOEXEC);
    if (*network < 0) return -1;
    if (fstat(*network, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0
        || (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)) {
        close(*network);
        errno = EXDEV;
        return -1;
    }
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)process);
    *user = open(path, O_RDONLY | O_CLOEXEC);
    return 0;
}

int weir_socket_in_network(int network, int user) {
    struct visit where = {.network = network, .user = user, .socket = -1};
    /* A process of its own, because a thread cannot enter a user namespace, and one that shares the descriptors, because
       the socket is to stay. Signals are held back: a handler of ours must not run in it. */
    static _Thread_local char stack[16 * 1024] __attribute__((aligned(16)));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int child = clone(visit, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES, &where);
    int error = errno;
    if (child > 0) {
        while (waitpid(child, NULL, __WCLONE) < 0 && errno == EINTR) {}
        error = where.error;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return where.socket;
}
