#pragma once

#include <stddef.h>

// The programs that run inside a worker, as they stand in Runtimes/.
const unsigned char *weir_python_runner(void);
size_t weir_python_runner_length(void);
