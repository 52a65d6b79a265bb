#define _GNU_SOURCE
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* For kernels before 5.6 and filters that deny openat2: one part after the other, none of them a link. */
static int open_stepwise(int directory, const char *path, int flags, mode_t mode) {
    int at = dup(directory);
    if (at < 0) return -1;
    for (;;) {
        const char *slash = strchrnul(path, '/');
        size_t length = (size_t)(slash - path);
        char part[256];
        if (length == 0 || length >= sizeof part || (length <= 2 && !memcmp(path, "..", length))) {
            close(at);
            errno = length >= sizeof part ? ENAMETOOLONG : EXDEV;
            return -1;
        }
        memcpy(part, path, length);
        part[length] = 0;
        int next = *slash ? openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : openat(at, part, flags | O_NOFOLLOW | O_CLOEXEC, mode);
        int code = errno;
        close(at);
        errno = code;
        if (next < 0 || !*slash) return next;
        at = next;
        path = slash + 1;
    }
}

int weir_open_beneath(int directory, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (result < 0 && (errno == ENOSYS || errno == EPERM)) return open_stepwise(directory, path, flags, mode);
    return (int)result;
}
