"""Uncompresses the event's file when it is gzip, into the folder that the parameter `into` names.

What is written appears under its final name only when it is complete. A file that is not gzip is left alone; one that
claims to be and is not intact fails.
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
    target = os.path.join(context.params["into"], name)
    partial = f"{target}.{context.activation_id}.partial"
    print(f"uncompressing {context.input}")
    try:
        with gzip.open(context.input, "rb") as source, open(partial, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        os.rename(partial, target)
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    return {"file": target, "bytes": os.path.getsize(target)}
