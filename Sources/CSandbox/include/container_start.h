#pragma once

// Prepares the place where an OCI runtime finds a container's root, and becomes that runtime.
//
//     weir-launcher container AT SIZE INODES BUNDLE OWNER FLAGS LAYER… -- PROGRAM ARGUMENT…
//
// In a mount namespace of its own it mounts a tmpfs of SIZE bytes and INODES files at AT, copies the files of the folder
// BUNDLE there, and lays LAYERs (lowest first, read-only) under a folder that takes what is written, which becomes
// AT/rootfs. So nothing is mounted on the host, and all of it goes with the last process. OWNER is the number of the user
// and group to whom the container's root folder belongs. FLAGS are letters:
//     u  in a user namespace of its own, where the caller is root: for callers who are not
//     n  in a network namespace of its own with loopback: for runtimes that do not make one
//     h  the unified cgroup tree is out of sight: for runtimes that refuse to see two
//     -  nothing
//
// Returns only when that fails, after a line on stderr.
int weir_container_main(int argc, char **argv);

// Shows a folder at another place and becomes a program that uses it there.
//
//     weir-launcher place AT FOLDER -- PROGRAM ARGUMENT…
//
// In a mount namespace of its own, so that nobody else sees it and all that the program mounts goes with it: for builders
// of images, whose steps have other ids and could not pass through folders that are the server's alone.
int weir_place_main(int argc, char **argv);

enum {
    // The exit status when it fails before the runtime begins.
    weir_container_failed = 125,
};
