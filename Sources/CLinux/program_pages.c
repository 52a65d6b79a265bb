#define _GNU_SOURCE
#include "program_pages.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct range { uintptr_t begin, end; };
struct ranges { struct range list[512]; int count, is_patched; };

// The parts of programs and libraries that nobody may write to. What the dynamic linker has written to lies in writable
// segments, though parts are made read-only later (RELRO): those pages are ours alone, and would be lost.
static int collect(struct dl_phdr_info *object, size_t size, void *argument) {
    struct ranges *ranges = argument;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && ranges->count < 512) {
            uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
            uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz + page - 1) & ~(page - 1);
            ranges->list[ranges->count++] = (struct range){begin, end};
        }
        if (segment->p_type != PT_DYNAMIC) continue;
        for (const ElfW(Dyn) *entry = (const void *)(object->dlpi_addr + segment->p_vaddr); entry->d_tag != DT_NULL; entry++) {
            // Code that the linker has patched is ours alone as well. No usual build has any.
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
                ranges->is_patched = 1;
        }
    }
    return 0;
}

static void forget(const struct ranges *ranges, uintptr_t begin, uintptr_t end) {
    for (int i = 0; i < ranges->count; i++) {
        uintptr_t from = begin > ranges->list[i].begin ? begin : ranges->list[i].begin;
        uintptr_t to = end < ranges->list[i].end ? end : ranges->list[i].end;
        // madvise(2): of a mapping of a file, what is touched again is read from the file again. Of no use to who fails.
        if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

void weir_forget_program_pages(void) {
    struct ranges ranges = {.count = 0};
    dl_iterate_phdr(collect, &ranges);
    // Only what still is a mapping of a file: some libraries move code into memory of their own (proc_pid_maps(5)).
    FILE *maps = ranges.is_patched || getenv("LD_PRELOAD") ? NULL : fopen("/proc/self/maps", "re");
    if (!maps) return;
    char line[4608];
    while (fgets(line, sizeof line, maps)) {
        unsigned long begin, end, offset, inode;
        unsigned major, minor;
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &begin, &end, rights, &offset, &major, &minor, &inode) != 7) continue;
        if (inode != 0 && rights[1] == '-' && rights[3] == 'p') forget(&ranges, begin, end);
    }
    fclose(maps);
}
