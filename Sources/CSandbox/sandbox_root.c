#define _GNU_SOURCE
#include "sandbox_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "owner_map.h"
#include "system_calls.h"

int is_inside(const char *path) {
    if (path[0] == '/' || path[0] == 0) return 0;
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 2 && part[0] == '.' && part[1] == '.') || (length == 1 && part[0] == '.')) return 0;
    }
    return strlen(path) < 4096;
}

int make_parents(int folder, const char *path, mode_t mode) {
    char part[4096];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        memcpy(part, path, length);
        part[length] = 0;
        if (mkdirat(folder, part, mode) < 0 && errno != EEXIST) return errno;
    }
    return 0;
}

static int close_keeping_error(int descriptor) {
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int detached_mount(const char *source, unsigned flags, uint32_t uid, uint32_t gid) {
    int mount = open_tree_at(AT_FDCWD, source, open_tree_clone | at_recursive);
    if (mount < 0) return -1;
    uint64_t set = mount_attr_no_setuid | (flags & weir_mount_read_only ? mount_attr_read_only : 0)
        | (flags & weir_mount_no_exec ? mount_attr_no_exec : 0)
        | (flags & weir_mount_devices ? 0 : mount_attr_no_devices);
    if ((flags & weir_mount_as_user) && map_owner(mount, flags & weir_mount_read_only, uid, gid) < 0)
        return close_keeping_error(mount);
    if (set_mount_attributes(mount, at_recursive, set, 0) < 0) return close_keeping_error(mount);
    return mount;
}

int detached_scratch(uint64_t size, uint64_t count, unsigned mode, uint32_t uid, uint32_t gid, unsigned flags) {
    int context = (int)syscall(sys_fsopen, "tmpfs", close_on_exec);
    if (context < 0) return -1;
    const struct { const char *name; unsigned long long value; const char *format; } options[] = {
        {"size", size, "%llu"}, {"nr_inodes", count, "%llu"}, {"mode", mode, "%llo"}, {"uid", uid, "%llu"},
        {"gid", gid, "%llu"},
    };
    int mount = -1;
    for (unsigned i = 0; i < sizeof options / sizeof options[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, options[i].format, options[i].value);
        if (syscall(sys_fsconfig, context, fsconfig_string, options[i].name, text, 0) < 0)
            return close_keeping_error(context);
    }
    if (syscall(sys_fsconfig, context, fsconfig_create, NULL, NULL, 0) == 0)
        mount = (int)syscall(sys_fsmount, context, close_on_exec,
            mount_attr_no_setuid | mount_attr_no_devices | (flags & weir_mount_no_exec ? mount_attr_no_exec : 0));
    close_keeping_error(context);
    return mount;
}

static int bind(
    int root, const struct weir_entry *entry, int prepared, const char *source, const char *target) {
    if (prepared == mount_left_out) return 0;
    int mount = prepared >= 0 ? prepared : detached_mount(source, entry->flags, 0, 0);
    if (mount < 0) return errno == ENOENT && (entry->flags & weir_mount_optional) ? 0 : errno;
    struct stat status;
    int error = fstat(mount, &status) < 0 ? errno : 0;
    if (!error && S_ISDIR(status.st_mode)) {
        if (mkdirat(root, target, 0755) < 0 && errno != EEXIST) error = errno;
    } else if (!error) {
        int file = open_beneath(root, target, O_CREAT | O_WRONLY, 0644);
        if (file < 0) error = errno;
        else close(file);
    }
    int place = error ? -1 : open_beneath(root, target, O_PATH, 0);
    if (!error && (place < 0 || move_mount_to(mount, place, "", move_mount_to_empty) < 0)) error = errno;
    if (place >= 0) close(place);
    close(mount);
    return error;
}

static int write_file(int root, const struct weir_entry *entry, const char *content, const char *target) {
    int file = open_beneath(root, target, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (file < 0) return errno;
    size_t length = strlen(content);
    ssize_t count = write(file, content, length);
    int error = count == (ssize_t)length ? fchmod(file, entry->mode) < 0 ? errno : 0 : count < 0 ? errno : ENOSPC;
    close(file);
    return error;
}

static int mount_scratch(int root, const struct weir_start *start, const struct weir_entry *entry, const char *target) {
    int mount = detached_scratch(entry->size, entry->count, entry->mode, start->uid, start->gid, entry->flags);
    int error = mount < 0 || move_mount_to(mount, root, target, 0) < 0 ? errno : 0;
    if (mount >= 0) close(mount);
    return error;
}

static int make(int root, const struct weir_start *start, int index, const struct entry_strings *strings) {
    const struct weir_entry *entry = &start->entries[index];
    const char *source = strings->source[index], *target = strings->target[index];
    if (entry->kind == weir_entry_allow) return 0;
    if (!is_inside(target)) return EINVAL;
    // What lies above a mount is the way to it and nothing else.
    int error = make_parents(root, target, 0711);
    if (error) return error;
    switch (entry->kind) {
    case weir_entry_bind: return bind(root, entry, strings->mount[index], source, target);
    case weir_entry_link: return symlinkat(source, root, target) < 0 ? errno : 0;
    case weir_entry_file: return write_file(root, entry, source, target);
    case weir_entry_folder: return mkdirat(root, target, entry->mode) < 0 && errno != EEXIST ? errno : 0;
    case weir_entry_scratch:
    case weir_entry_processes:
        if (mkdirat(root, target, 0755) < 0 && errno != EEXIST) return errno;
        if (entry->kind == weir_entry_scratch) return mount_scratch(root, start, entry, target);
        // The new root is the working directory. A zygote writes the id maps of what it forks there.
        if (mount(
                "proc", target, "proc",
                (start->head.flags & weir_start_zygote ? 0 : MS_RDONLY) | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                "subset=pid,hidepid=invisible") < 0)
            return errno;
        return 0;
    default: return EINVAL;
    }
}

int sandbox_root_build(const struct weir_start *start, const struct entry_strings *strings, struct failure *failure) {
    *failure = (struct failure){.stage = weir_stage_root};
    mode_t mask = umask(0);
    // Nothing of what follows may travel to the host.
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) goto failed;
    // Holds nothing but folders, links and a few small files.
    int root = detached_scratch(1 << 20, 4096, 0755, getuid(), getgid(), 0);
    if (root < 0) goto failed;
    // On top of `/`: it hides nothing there, since an absolute path begins at the root that this process has.
    if (move_mount_to(root, AT_FDCWD, "/", 0) < 0 || fchdir(root) < 0) goto failed;
    for (uint32_t i = 0; i < start->entry_count; i++) {
        int error = make(root, start, (int)i, strings);
        if (error) {
            *failure = (struct failure){error, weir_stage_entry, (int)i};
            return -1;
        }
    }
    // pivot_root(2), "pivot_root(".", ".")": the old root lies on the new one for a moment, then is let go.
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) goto failed;
    if (set_mount_attributes(root, 0, mount_attr_read_only, 0) < 0) goto failed;
    close(root);
    umask(mask);
    return 0;
failed:
    failure->error = errno;
    return -1;
}
