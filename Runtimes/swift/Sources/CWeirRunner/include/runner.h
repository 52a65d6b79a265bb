#pragma once

#include <stddef.h>
#include <stdint.h>

// What Swift cannot say itself: streams that name the running call, and memory shared with the server.

// Makes stdout and stderr streams whose first bytes of every call name it.
void weir_logs_open(void);
// The mark that names calls; before it is set nothing is marked.
void weir_logs_mark(const char *_Nonnull marker);
// Which call runs from here on.
void weir_logs_call(uint64_t frame, uint32_t index);
// Writes to stderr.
void weir_logs_say(const char *_Nonnull text);
// Writes what lies in the buffers.
void weir_logs_flush(void);

// The ledger on descriptor 4: its address and size, NULL when there is none.
uint8_t *_Nullable weir_ledger_map(size_t *_Nonnull size);
// Sets one of its counters, behind everything that was written before.
void weir_ledger_set(uint8_t *_Nonnull ledger, unsigned counter, uint64_t value);

// Nanoseconds of a clock that only goes forward.
uint64_t weir_nanoseconds(void);
// Lowers the limit of memory that the process may write to.
void weir_limit_memory(uint64_t bytes);
