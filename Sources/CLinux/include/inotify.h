#pragma once

#include <stdint.h>

/// A new inotify descriptor, not blocking and closed on exec; -1 with errno.
int weir_inotify_open(void);

/// Watches a directory (never through a symbolic link, never anything but a directory); the watch number, or -1 with errno.
int weir_inotify_watch(int descriptor, const char *path, uint32_t mask);

/// Ends one watch; 0, or -1 with errno.
int weir_inotify_unwatch(int descriptor, int watch);

/// A descriptor that wakes a poll(2), not blocking and closed on exec; -1 with errno.
int weir_wake_open(void);

/// Makes a wake descriptor readable.
void weir_wake(int descriptor);

/// Makes a wake descriptor unreadable again.
void weir_wake_reset(int descriptor);

/// Waits until one of two descriptors is readable, or for milliseconds (-1: without end).
/// Bit 0: the first is readable; bit 1: the second; 0: time has passed or a signal came; -1 with errno.
int weir_poll2(int first, int second, int milliseconds);

/// Whether somebody has a regular file open for writing: 0 nobody, 1 somebody, 2 cannot be told (not our file, or a
/// file system without leases), -1 the file cannot be opened (errno).
///
/// A read lease is granted only while no writer has the file open (fcntl(2), F_SETLEASE); it is given back at once.
int weir_file_writers(const char *path);
