"""Runs a Python function inside a worker.

The control socket is descriptor 3, the ledger descriptor 4. A frame on the socket is `u32 length` (little-endian) and as
many bytes. To the worker: `u32 head length`, head (JSON), data bytes.

The first head says what to run (see `loading.specialise`) and is answered by {"ready": …} or {"failed": …}. Every later
one is `[frame number, [call, …]]`, a call being
`[activation id, idempotency key, attributes or arguments, kind, start, end]`
with kind -1 arguments, 0 event without data, 1 JSON data, 2 bytes; start and end are the data's place behind the head.
Answers are JSON lines in the order of the calls: `[status, nanoseconds, result, published]`, status 0 success, 1 the
function failed, 2 its answer cannot be taken. Every line is put into the ledger as soon as it is there, so that it
outlives a crash of a later call, and all travel on the socket when the frame is done.

A worker that waits for its function (a stem) says {"stem": true} first, when it has warmed up. A worker that runs several
calls at a time (`overlapping`) gets frames of one call each, and its answers name their frame as a fifth member.

Nothing here imports what a function does not need: half of a cold start would be the import of `json` and `re`.
"""
