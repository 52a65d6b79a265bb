#pragma once

#include <stddef.h>
#include <stdint.h>

/// Asks the processor to bring a cache line that will soon be needed; never faults.
static inline void weir_prefetch(const void *_Nullable address) { __builtin_prefetch(address); }

/// Whether this processor has the CRC32C instruction that `weir_crc32c_hardware` needs.
int weir_crc32c_available(void);

/// CRC-32C (Castagnoli), continued from `crc` (0 to begin). Only where `weir_crc32c_available` says so.
uint32_t weir_crc32c_hardware(uint32_t crc, const void *_Nullable bytes, size_t count);

/// SipHash-2-4 with 128 bits of output over `first`, then `second`, as if they were one message.
void weir_siphash128(
    const uint8_t *_Nonnull key, const void *_Nullable first, size_t first_count, const void *_Nullable second,
    size_t second_count, uint64_t *_Nonnull low, uint64_t *_Nonnull high);

/// The same over the length of `first` (8 bytes, little-endian), `first` and `second`: a pair cannot be mistaken for
/// another pair whose parts run together to the same bytes.
void weir_siphash128_pair(
    const uint8_t *_Nonnull key, const void *_Nullable first, size_t first_count, const void *_Nullable second,
    size_t second_count, uint64_t *_Nonnull low, uint64_t *_Nonnull high);
