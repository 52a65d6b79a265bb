#define _GNU_SOURCE
#include "owner_map.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "system_calls.h"

// One extent of an id map: `count` ids from `disk` on appear as those from `seen` on.
static int extent(char *text, size_t size, uint64_t disk, uint64_t seen, uint64_t count) {
    if (count == 0) return 0;
    return snprintf(text, size, "%llu %llu %llu\n", (unsigned long long)disk, (unsigned long long)seen,
        (unsigned long long)count);
}

// All ids as they are, but `owner` appears as `user`, and the id `user` itself not at all.
static int write_map(pid_t pid, const char *file, uint32_t owner, uint32_t user) {
    char path[64], text[256];
    const uint64_t end = UINT32_MAX;  // the last id is none
    uint64_t low = owner < user ? owner : user, high = owner < user ? user : owner;
    size_t length = 0;
    length += (size_t)extent(text + length, sizeof text - length, 0, 0, low);
    length += (size_t)extent(text + length, sizeof text - length, owner, user, 1);
    if (high > low) length += (size_t)extent(text + length, sizeof text - length, low + 1, low + 1, high - low - 1);
    length += (size_t)extent(text + length, sizeof text - length, high + 1, high + 1, end - high - 1);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    ssize_t written = write(descriptor, text, length);
    int error = errno;
    close(descriptor);
    errno = error;
    return written == (ssize_t)length ? 0 : -1;
}

int map_owner(int mount, int is_read_only, uint32_t uid, uint32_t gid) {
    struct stat status;
    if (fstat(mount, &status) < 0) return -1;
    // Never as root: a program that it left there with the set-user-id bit would be root's on the host.
    if (status.st_uid == 0 && !is_read_only) return 0;
    // The kernel takes the map from a user namespace, which a process has to have.
    struct clone_arguments arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t pid = clone_process(&arguments);
    if (pid < 0) return -1;
    if (pid == 0) {
        for (;;) pause();
    }
    char path[64];
    int namespace = -1, result = -1;
    if (write_map(pid, "uid_map", status.st_uid, uid) == 0 && write_map(pid, "gid_map", status.st_gid, gid) == 0) {
        snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
        namespace = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (namespace >= 0) {
        struct mount_attributes attributes = {.set = mount_attr_id_map, .user_namespace = (uint64_t)namespace};
        result = (int)syscall(sys_mount_setattr, mount, "", at_empty_path, &attributes, sizeof attributes);
    }
    int error = errno;
    if (namespace >= 0) close(namespace);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    errno = error;
    return result;
}
