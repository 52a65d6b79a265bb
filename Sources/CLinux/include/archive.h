#pragma once
#include <sys/types.h>

/* Opens `path` below the folder `directory`; whatever would lead out of it or goes over a symbolic link fails (ELOOP,
   EXDEV). The descriptor, or -1 and errno. */
int weir_open_beneath(int directory, const char *path, int flags, mode_t mode);
