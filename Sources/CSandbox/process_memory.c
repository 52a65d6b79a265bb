#define _GNU_SOURCE
#include "process_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

int weir_memory_file(void) {
    int descriptor = memfd_create("weir", MFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int weir_ledger_create(size_t size) {
    int descriptor = memfd_create("weir-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    if (ftruncate(descriptor, (off_t)size) < 0
        || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

const void *weir_ledger_map(int descriptor, size_t size) {
    void *address = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
    return address == MAP_FAILED ? NULL : address;
}

void weir_ledger_unmap(const void *address, size_t size) {
    munmap((void *)address, size);
}

uint64_t weir_ledger_counter(const void *address, size_t index) {
    return atomic_load_explicit((const _Atomic uint64_t *)address + index, memory_order_acquire);
}
