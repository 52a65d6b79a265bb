#pragma once
#include <stdint.h>
#include <sys/types.h>

/* O_PATH, which Swift is not shown. */
extern const int weir_open_path;

/* Opens `path` as if the folder `directory` were the root: links and ".." end there (openat2(2), RESOLVE_IN_ROOT).
   Where the kernel lacks that, no link is followed at all. The descriptor, or -1 and errno. */
int weir_open_in_root(int directory, const char *path, int flags, mode_t mode);

/* Marks a name as removed for overlayfs: a character device 0/0. 0, or -1 and errno. */
int weir_overlay_whiteout(int directory, const char *name);

/* Marks a folder as hiding what lies below it in lower layers. `unprivileged`: for mounts with userxattr. 0, or -1 and
   errno. */
int weir_overlay_opaque(int folder, int unprivileged);

/* Whether a file or folder (not what a link leads to) has an extended attribute. */
int weir_has_attribute(const char *path, const char *name);

/* The network namespace of a process and its user namespace (-1: cannot be opened), as descriptors. 0, or -1 and errno:
   EXDEV when the process shares the caller's network. */
int weir_open_network(pid_t process, int *network, int *user);

/* A TCP socket that lives in a network namespace, not blocking and closed on exec; the caller stays where it is. The user
   namespace is entered when that is needed and is not negative. The descriptor, or -1 and errno. */
int weir_socket_in_network(int network, int user);
