#include "CRuntimes.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char python_runner[] = {
#embed "Assets/python/runner.py"
};

const unsigned char *weir_python_runner(void) {
    return python_runner;
}

size_t weir_python_runner_length(void) {
    return sizeof python_runner;
}
