#pragma once

#include <stddef.h>

// One of the files that run inside a worker, as it stands in Runtimes/.
struct weir_runtime_file {
    const char *path;
    const unsigned char *bytes;
    size_t length;
};

// All of them; the number of them goes to `count`.
const struct weir_runtime_file *weir_runtime_files(size_t *count);
