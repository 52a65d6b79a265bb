#define _GNU_SOURCE
#include "inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "system_calls.h"

struct visit {
    int namespace;
    int kind;
    void (*work)(struct visit *);
    int mount, is_folder;
    const char *target;  // without the leading slash
    unsigned port;
    int descriptor;
    struct failure failure;
};

static void set_failure(struct visit *visit, enum weir_stage stage) {
    visit->failure = (struct failure){errno, stage, 0};
}

static int enter(void *argument) {
    struct visit *visit = argument;
    if (setns(visit->namespace, visit->kind) < 0) set_failure(visit, weir_stage_namespace);
    else visit->work(visit);
    return 0;
}

// Does the work in a process that shares memory and descriptors with this one and nothing else: the launcher itself
// never leaves its own namespaces, to which an ordinary user could not come back.
static int visit_sandbox(struct visit *visit, struct failure *failure) {
    static char stack[64 << 10] __attribute__((aligned(16)));
    pid_t pid = clone(enter, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, visit);
    if (pid < 0) set_failure(visit, weir_stage_fork);
    else while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    *failure = visit->failure;
    return visit->failure.error ? -1 : 0;
}

// The sandbox's root is read-only for all inside. This copy of its mount, which nobody inside sees, is not.
static int writable_root(void) {
    int root = open_tree_at(AT_FDCWD, "/", open_tree_clone);
    if (root < 0) return -1;
    if (set_mount_attributes(root, 0, 0, mount_attr_read_only) == 0) return root;
    int error = errno;
    close(root);
    errno = error;
    return -1;
}

// Makes a place and the folders above it, one step after the other: a worker may have put links into a folder that is its
// own, and the launcher's rights must not follow them.
static int make_target_below(int root, const struct visit *visit) {
    char name[4096];
    const char *next = visit->target;
    int folder = dup(root), error = folder < 0 ? errno : 0;
    for (const char *slash; !error && (slash = strchr(next, '/')); next = slash + 1) {
        size_t length = (size_t)(slash - next);
        memcpy(name, next, length);
        name[length] = 0;
        if (mkdirat(folder, name, 0755) < 0 && errno != EEXIST) error = errno;
        int inner = error ? -1 : openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (!error && inner < 0) error = errno;
        close(folder);
        folder = inner;
    }
    if (!error && visit->is_folder) {
        if (mkdirat(folder, next, 0755) < 0 && errno != EEXIST) error = errno;
    } else if (!error) {
        int file = open_beneath(folder, next, O_CREAT | O_WRONLY, 0444);
        if (file < 0) error = errno;
        else close(file);
    }
    if (folder >= 0) close(folder);
    return error;
}

// A file system of a user namespace takes no file of a user whom that namespace does not know (EOVERFLOW), and the
// launcher is such a one. As the owner of the root it is not; the rights to write everywhere, which go with the change,
// are taken back (capabilities(7), "Effect of user ID changes").
static void be_known(int root) {
    struct stat status;
    if (fstat(root, &status) < 0 || status.st_uid == geteuid()) return;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    // The plain calls: this process is not one of the C library's threads.
    if (syscall(SYS_capget, &header, sets) < 0) return;
    syscall(SYS_setfsgid, status.st_gid);
    syscall(SYS_setfsuid, status.st_uid);
    for (int i = 0; i < 2; i++) sets[i].effective = sets[i].permitted;
    syscall(SYS_capset, &header, sets);
}

// In the tree as those inside see it where that can be written (a place in /tmp), else in the root that lies below.
static int make_target(struct visit *visit) {
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    be_known(root);
    int error = make_target_below(root, visit);
    close(root);
    if (error == EROFS) {
        root = writable_root();
        if (root < 0) return -1;
        error = make_target_below(root, visit);
        close(root);
    }
    errno = error;
    return error ? -1 : 0;
}

static int open_target(struct visit *visit) {
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    int place = open_beneath(root, visit->target, O_PATH, 0);
    int error = errno;
    close(root);
    errno = error;
    return place;
}

static void attach(struct visit *visit) {
    int place = open_target(visit);
    if (place < 0 && errno == ENOENT && make_target(visit) == 0) place = open_target(visit);
    if (place < 0 || move_mount_to(visit->mount, place, "", move_mount_to_empty) < 0)
        set_failure(visit, weir_stage_target);
    if (place >= 0) close(place);
}

static void detach(struct visit *visit) {
    char path[4200] = "/";
    int place = open_target(visit);
    if (place < 0) {
        set_failure(visit, weir_stage_target);
        return;
    }
    close(place);
    strncat(path, visit->target, sizeof path - 2);
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
        set_failure(visit, weir_stage_target);
        return;
    }
    // The place itself goes too, when it is empty; what is not is another's.
    int root = writable_root();
    if (root < 0) return;
    if (unlinkat(root, visit->target, 0) < 0) unlinkat(root, visit->target, AT_REMOVEDIR);
    close(root);
}

static void listen_inside(struct visit *visit) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)visit->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    visit->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (visit->descriptor >= 0 && bind(visit->descriptor, (struct sockaddr *)&address, sizeof address) == 0
        && listen(visit->descriptor, 128) == 0)
        return;
    set_failure(visit, weir_stage_network);
    if (visit->descriptor >= 0) close(visit->descriptor);
    visit->descriptor = -1;
}

static int fail(struct failure *failure, int error, enum weir_stage stage) {
    *failure = (struct failure){error, stage, 0};
    return -1;
}

// What is to be mounted; -1 with errno.
static int make_mount(const struct weir_attach *attach, const char *source, int expected, struct stat *status) {
    struct stat wanted;
    int mount = source[0]
        ? detached_mount(source, attach->head.flags, attach->uid, attach->gid)
        : detached_scratch(attach->size, attach->count, 0700, attach->uid, attach->gid, attach->head.flags);
    if (mount < 0) return -1;
    int error = fstat(mount, status) < 0 ? errno : 0;
    if (!error && expected >= 0) {
        if (fstat(expected, &wanted) < 0) error = errno;
        // Somebody has put something else in its place since the server looked.
        else if (wanted.st_dev != status->st_dev || wanted.st_ino != status->st_ino) error = ESTALE;
    }
    if (!error) return mount;
    close(mount);
    errno = error;
    return -1;
}

int inside_attach(
    int namespace, const struct weir_attach *attach_, const char *source, int expected, const char *target, int *folder,
    struct failure *failure) {
    *folder = -1;
    if ((source[0] && source[0] != '/') || target[0] != '/' || !is_inside(target + 1))
        return fail(failure, EINVAL, weir_stage_request);
    struct stat status;
    int mount = make_mount(attach_, source, expected, &status);
    if (mount < 0) return fail(failure, errno, weir_stage_source);
    // Opened before it is the worker's, who could take the right away.
    if (!source[0] && (*folder = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        int error = errno;
        close(mount);
        return fail(failure, error, weir_stage_source);
    }
    struct visit visit = {
        .namespace = namespace, .kind = CLONE_NEWNS, .work = attach, .mount = mount,
        .is_folder = S_ISDIR(status.st_mode), .target = target + 1, .descriptor = -1,
    };
    int result = visit_sandbox(&visit, failure);
    close(mount);
    if (result < 0 && *folder >= 0) {
        close(*folder);
        *folder = -1;
    }
    return result;
}

int inside_detach(int namespace, const char *target, struct failure *failure) {
    if (target[0] != '/' || !is_inside(target + 1)) return fail(failure, EINVAL, weir_stage_request);
    struct visit visit = {
        .namespace = namespace, .kind = CLONE_NEWNS, .work = detach, .target = target + 1, .descriptor = -1};
    return visit_sandbox(&visit, failure);
}

int inside_listen(int namespace, unsigned port, struct failure *failure) {
    if (port > 65535) return fail(failure, EINVAL, weir_stage_request);
    struct visit visit = {
        .namespace = namespace, .kind = CLONE_NEWNET, .work = listen_inside, .port = port, .descriptor = -1};
    return visit_sandbox(&visit, failure) < 0 ? -1 : visit.descriptor;
}
