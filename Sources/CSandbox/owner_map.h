#pragma once

#include <stdint.h>

// Makes what the owner of a detached mount's root owns there belong to another user, for who comes through this mount:
// whoever writes there writes as the owner. All other ids stay what they are. 0, or -1 with errno: EINVAL or EPERM where
// the file system or the kernel cannot do it. A folder of root's that may be written to is left as it is.
int map_owner(int mount, int is_read_only, uint32_t uid, uint32_t gid);
