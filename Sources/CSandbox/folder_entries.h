#pragma once

#include <stdint.h>
#include <sys/syscall.h>

// What getdents64(2) fills in: the C library's readdir allocates memory.
struct folder_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};
