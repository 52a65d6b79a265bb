#pragma once

#include <stddef.h>
#include <stdint.h>

/// Opens a file for reading and writing, closed on exec. `create` makes it (0640) when absent, `truncate` empties it.
/// Returns the descriptor or the negated errno.
int weir_open_file(const char *_Nonnull path, int create, int truncate);

/// Takes the exclusive lock of a file without waiting: 0, or the negated errno (EWOULDBLOCK when another holds it).
int weir_lock_file(int descriptor);

/// Reserves blocks for a range without changing the file's size: 0, or the negated errno.
int weir_reserve(int descriptor, int64_t start, int64_t count);

/// Names the calling thread (at most 15 bytes), for `top -H` and debuggers.
void weir_name_thread(const char *_Nonnull name);

/// Renames a file to a name that nobody has: 0, or the negated errno (EEXIST when it is taken, EINVAL where the file
/// system cannot promise that).
int weir_rename_new(
    int from_directory, const char *_Nonnull from, int to_directory, const char *_Nonnull to);

/// Puts everything of the file system on disk in which a descriptor lies: 0, or the negated errno.
int weir_sync_file_system(int descriptor);

/// O_PATH of open(2), which the Glibc module hides: a descriptor that names a file without opening it.
enum { weir_path_only = 010000000 };
