#pragma once

#include "sandbox_root.h"

// What is done to a running sandbox from outside, by a short-lived process that enters one of its
// namespaces.

// Mounts `source` (a path of the host; `expected`, unless negative, is a descriptor of what it must be) or, when that is
// empty, a new tmpfs at `target` (absolute, inside). 0, or -1 with the failure filled. `folder` becomes a descriptor of
// the tmpfs's folder.
int inside_attach(
    int namespace, const struct weir_attach *attach, const char *source, int expected, const char *target, int *folder,
    struct failure *failure);
int inside_detach(int namespace, const char *target, struct failure *failure);
// A listening socket on 127.0.0.1 inside; its descriptor, or -1 with the failure filled.
int inside_listen(int namespace, unsigned port, struct failure *failure);
