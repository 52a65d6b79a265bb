#define _GNU_SOURCE
#include "program_pages.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int forget(struct dl_phdr_info *object, size_t size, void *page) {
    (void)size;
    uintptr_t mask = ~(*(uintptr_t *)page - 1);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        // What the dynamic linker has written to lies in writable segments, though parts are made read-only later
        // (RELRO): those pages are ours alone, and would be lost.
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & mask;
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz + ~mask) & mask;
        // madvise(2): of a mapping of a file, what is touched again is read from the file again. Of no use to who fails.
        madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

static int has_written_code(struct dl_phdr_info *object, size_t size, void *found) {
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        for (const ElfW(Dyn) *entry = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
             entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
                *(int *)found = 1;
        }
    }
    return 0;
}

void weir_forget_program_pages(void) {
    int is_written = 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    dl_iterate_phdr(has_written_code, &is_written);
    // Code that the linker has patched is ours alone as well. No usual build has any.
    if (!is_written) dl_iterate_phdr(forget, &page);
}
