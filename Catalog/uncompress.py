"""Uncompresses the event's file when it is gzip, into the place that the function's `output` names.

What is written appears there only when it is complete. A file that is not gzip is left alone; one that claims to be and
is not intact fails.
"""

import gzip
import os
import shutil

MAGIC = b"\x1f\x8b"


def handle(event, context):
    with open(context.input, "rb") as file:
        if file.read(2) != MAGIC:
            return {"skipped": "not a gzip file"}
    name = os.path.basename(context.input).removesuffix(".gz")
    target = os.path.join(context.output, name)
    print(f"uncompressing {os.path.basename(context.input)}")
    with gzip.open(context.input, "rb") as source, open(target, "wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    return {"file": name, "bytes": os.path.getsize(target)}
