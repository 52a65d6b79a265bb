"""Checksums of the event's file: SHA-256, and ADLER32 as dCache and the grid write it.

Publishes `dev.weir.catalog.checksummed` with the same values, so that a catalogue can subscribe to it.
"""

import hashlib
import os
import zlib


def handle(event, context):
    sha256 = hashlib.sha256()
    adler32 = 1
    size = 0
    with open(context.input, "rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
            adler32 = zlib.adler32(block, adler32)
            size += len(block)
    result = {
        "file": os.path.basename(context.input),
        "bytes": size,
        "sha256": sha256.hexdigest(),
        "adler32": f"{adler32:08x}",
    }
    print(f"{result['file']}: {size} bytes, adler32 {result['adler32']}")
    context.publish(type="dev.weir.catalog.checksummed", subject=event.subject, data=result)
    return result
