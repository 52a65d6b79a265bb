#pragma once

#include <stddef.h>
#include <stdint.h>

// An anonymous file in memory, for what a library will only write to a file; its descriptor, or a negated errno.
int weir_memory_file(void);

// A ledger: memory that a worker shares with the server, so that what it has put there outlives it.
// Its size is sealed, so that the worker cannot make the server fault by cutting it.

// A new ledger; its descriptor, or a negated errno.
int weir_ledger_create(size_t size);
// Maps a ledger for reading; NULL on failure.
const void *weir_ledger_map(int descriptor, size_t size);
void weir_ledger_unmap(const void *address, size_t size);
// Reads one counter of the ledger, ordered before what is read after it.
uint64_t weir_ledger_counter(const void *address, size_t index);
