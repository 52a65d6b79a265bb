#include "checksums.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

int weir_crc32c_available(void) { return __builtin_cpu_supports("sse4.2") ? 1 : 0; }

__attribute__((target("sse4.2")))
uint32_t weir_crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    uint64_t state = (uint32_t)~crc;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
        p += 8;
        count -= 8;
    }
    uint32_t rest = (uint32_t)state;
    while (count > 0) {
        rest = _mm_crc32_u8(rest, *p++);
        count -= 1;
    }
    return ~rest;
}
#else
int weir_crc32c_available(void) { return 0; }

uint32_t weir_crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return crc;
}
#endif

// SipHash: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012); the 128-bit output is that of the
// authors' reference implementation: v1 ^= 0xee at the start, v2 ^= 0xee at the end, v1 ^= 0xdd before the second half.

struct sip {
    uint64_t v0, v1, v2, v3;
    uint64_t tail;
    unsigned pending; // bytes in `tail`
    uint64_t total;
};

static inline uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static inline uint64_t little(const unsigned char *p) {
    uint64_t word;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline void sip_round(struct sip *s) {
    s->v0 += s->v1; s->v1 = rotate(s->v1, 13); s->v1 ^= s->v0; s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3; s->v3 = rotate(s->v3, 16); s->v3 ^= s->v2;
    s->v0 += s->v3; s->v3 = rotate(s->v3, 21); s->v3 ^= s->v0;
    s->v2 += s->v1; s->v1 = rotate(s->v1, 17); s->v1 ^= s->v2; s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word) {
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static void sip_begin(struct sip *s, const uint8_t *key) {
    uint64_t k0 = little(key), k1 = little(key + 8);
    s->v0 = 0x736f6d6570736575ULL ^ k0;
    s->v1 = 0x646f72616e646f6dULL ^ k1 ^ 0xee;
    s->v2 = 0x6c7967656e657261ULL ^ k0;
    s->v3 = 0x7465646279746573ULL ^ k1;
    s->tail = 0;
    s->pending = 0;
    s->total = 0;
}

static void sip_add(struct sip *s, const void *bytes, size_t count) {
    const unsigned char *p = bytes;
    s->total += count;
    while (count > 0 && s->pending != 0) {
        s->tail |= (uint64_t)*p++ << (8 * s->pending);
        count -= 1;
        if (++s->pending == 8) {
            sip_word(s, s->tail);
            s->tail = 0;
            s->pending = 0;
        }
    }
    while (count >= 8) {
        sip_word(s, little(p));
        p += 8;
        count -= 8;
    }
    while (count > 0) {
        s->tail |= (uint64_t)*p++ << (8 * s->pending);
        s->pending += 1;
        count -= 1;
    }
}

static void sip_end(struct sip *s, uint64_t *low, uint64_t *high) {
    sip_word(s, s->tail | (s->total << 56));
    s->v2 ^= 0xee;
    for (int i = 0; i < 4; i++) sip_round(s);
    *low = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    s->v1 ^= 0xdd;
    for (int i = 0; i < 4; i++) sip_round(s);
    *high = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void weir_siphash128(
    const uint8_t *key, const void *first, size_t first_count, const void *second, size_t second_count, uint64_t *low,
    uint64_t *high) {
    struct sip s;
    sip_begin(&s, key);
    sip_add(&s, first, first_count);
    sip_add(&s, second, second_count);
    sip_end(&s, low, high);
}

void weir_siphash128_pair(
    const uint8_t *key, const void *first, size_t first_count, const void *second, size_t second_count, uint64_t *low,
    uint64_t *high) {
    struct sip s;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)first_count >> (8 * i));
    sip_begin(&s, key);
    sip_add(&s, length, 8);
    sip_add(&s, first, first_count);
    sip_add(&s, second, second_count);
    sip_end(&s, low, high);
}
