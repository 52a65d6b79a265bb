#define _GNU_SOURCE
#include "container_start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void fail(const char *what, const char *which) {
    fprintf(stderr, "the container cannot be prepared: %s%s%s: %s\n", what, which ? " " : "", which ? which : "",
            strerror(errno));
    exit(weir_container_failed);
}

static void write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text)) fail("writing", path);
    close(file);
}

// The caller becomes root of a user namespace in which it alone is mapped (user_namespaces(7)).
static void become_root(void) {
    char map[64];
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWUSER) < 0) fail("a user namespace", NULL);
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", (unsigned)user);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", (unsigned)group);
    write_text("/proc/self/gid_map", map);
}

static void bring_up_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0 || ioctl(control, SIOCSIFFLAGS, &request) < 0) fail("the loopback interface", NULL);
    close(control);
}

static void copy_file(int folder, const char *name) {
    char buffer[16384];
    int from = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (from < 0 || to < 0) fail("copying", name);
    ssize_t count;
    while ((count = read(from, buffer, sizeof buffer)) > 0) {
        if (write(to, buffer, (size_t)count) != count) fail("writing", name);
    }
    if (count < 0) fail("reading", name);
    // Whatever the mask of file modes is: the runtime reads them as the container's root.
    fchmod(to, 0644);
    close(from);
    close(to);
}

// Copies the plain files of a folder into the current one.
static void copy_files(int folder) {
    DIR *listing = fdopendir(dup(folder));
    if (!listing) fail("listing the bundle", NULL);
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (entry->d_type == DT_REG) copy_file(folder, entry->d_name);
    }
    closedir(listing);
}

// Mounts the layers as one root. Their paths may be long and many, and mount(2) takes a page of text: each is named by a
// short link.
static void lay(char **layers, int count, uid_t owner, int is_unprivileged) {
    char *options = malloc(8 * (size_t)count + 256), name[16];
    if (!options) fail("memory", NULL);
    if (mkdir("layers", 0755) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0700) < 0 || mkdir("rootfs", 0755) < 0)
        fail("making folders", NULL);
    if (lchown("upper", owner, owner) < 0) fail("giving away the root folder", NULL);
    char *end = options + sprintf(options, "%supperdir=upper,workdir=work,lowerdir=", is_unprivileged ? "userxattr," : "");
    for (int i = count - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "layers/%d", i);
        if (symlink(layers[i], name) < 0) fail("naming the layer", layers[i]);
        end += sprintf(end, "layers/%d%s", i, i > 0 ? ":" : "");
    }
    if (mount("overlay", "rootfs", "overlay", MS_NODEV | MS_NOSUID, options) < 0) fail("mounting the layers", NULL);
    free(options);
}

int weir_container_main(int argc, char **argv) {
    if (argc < 11) {
        fprintf(stderr, "the container cannot be prepared: arguments are missing\n");
        return weir_container_failed;
    }
    char *at = argv[2], *size = argv[3], *inodes = argv[4], *bundle = argv[5], *flags = argv[7];
    uid_t owner = (uid_t)strtoul(argv[6], NULL, 10);
    char **layers = argv + 8;
    int count = 0;
    while (layers[count] && strcmp(layers[count], "--")) count++;
    if (count == 0 || !layers[count] || !layers[count + 1]) {
        fprintf(stderr, "the container cannot be prepared: there is no layer or no program\n");
        return weir_container_failed;
    }
    // The container's root folder is for whoever the container has in it.
    umask(022);
    int is_unprivileged = strchr(flags, 'u') != NULL, has_network = strchr(flags, 'n') != NULL;
    // The place that is mounted over may be above it.
    int folder = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) fail("opening", bundle);
    if (is_unprivileged) become_root();
    if (unshare(CLONE_NEWNS | (has_network ? CLONE_NEWNET : 0)) < 0) fail("a mount namespace", NULL);
    if (has_network) bring_up_loopback();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail("a mount namespace", NULL);
    if (strchr(flags, 'h') && umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        fail("hiding the unified cgroup tree", NULL);

    char options[128];
    snprintf(options, sizeof options, "mode=0755,size=%s,nr_inodes=%s", size, inodes);
    if (mount("weir-container", at, "tmpfs", MS_NODEV | MS_NOSUID, options) < 0) fail("mounting a tmpfs at", at);
    if (chdir(at) < 0) fail("entering", at);
    copy_files(folder);
    close(folder);
    lay(layers, count, is_unprivileged ? 0 : owner, is_unprivileged);
    execv(layers[count + 1], layers + count + 1);
    fail("starting", layers[count + 1]);
}

int weir_place_main(int argc, char **argv) {
    if (argc < 6 || strcmp(argv[4], "--")) {
        fprintf(stderr, "the builder cannot be prepared: arguments are missing\n");
        return weir_container_failed;
    }
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail("a mount namespace", NULL);
    if (mount(argv[3], argv[2], NULL, MS_BIND, NULL) < 0) fail("showing the folder at", argv[2]);
    umask(022);
    if (chdir("/") < 0) fail("entering", "/");
    execv(argv[5], argv + 5);
    fail("starting", argv[5]);
}
