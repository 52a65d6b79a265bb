#pragma once
#include <string.h>
#include <zlib.h>

/* inflateInit2 is a macro, which Swift does not see. windowBits: -15 bare deflate, 31 gzip (zlib.h, inflateInit2). */
static inline int weir_inflate_init(z_stream *stream, int windowBits) {
    memset(stream, 0, sizeof *stream);
    return inflateInit2(stream, windowBits);
}
