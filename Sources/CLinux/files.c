#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

int weir_open_file(const char *path, int create, int truncate) {
    int flags = O_RDWR | O_CLOEXEC;
    if (create) flags |= O_CREAT;
    if (truncate) flags |= O_TRUNC;
    int descriptor = open(path, flags, 0640);
    return descriptor < 0 ? -errno : descriptor;
}

int weir_lock_file(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno; }

int weir_reserve(int descriptor, int64_t start, int64_t count) {
    return fallocate(descriptor, FALLOC_FL_KEEP_SIZE, start, count) == 0 ? 0 : -errno;
}

void weir_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int weir_rename_new(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE) == 0 ? 0 : -errno;
}

int weir_sync_file_system(int descriptor) { return syncfs(descriptor) == 0 ? 0 : -errno; }

_Static_assert(weir_path_only == O_PATH, "O_PATH is another number here");
