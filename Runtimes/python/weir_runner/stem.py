"""What an interpreter does while it waits for its function, so that the first call finds it warm."""

import gc

HANDLER = """
import json
def handle(event, context):
    return {"id": event.id, "data": event.data}
"""


def warm():
    # Most functions read or write JSON, and a module that is imported here is not imported in the first call.
    import json  # noqa: F401

    from .jsontext import encode, loads
    from .loading import system_packages
    from .serving import run_events

    system_packages()
    module = {}
    exec(compile(HANDLER, "warm", "exec", dont_inherit=True), module)
    data = b'{"a":[1,2.5,"x",null]}'
    call = ["0", "k", {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}, 1, 0, len(data)]
    lines = []
    # The interpreter adapts code to its use from the eighth time on (PEP 659).
    for _ in range(10):
        run_events(module["handle"], [[*call[:2], dict(call[2]), *call[3:]]], data, 0, lines.append)
        loads(encode({"name": "warm", "params": {}}).encode())
    # What is here now stays; the collection after loading the function looks at the function's objects only.
    gc.collect()
    gc.freeze()


MAIN = "def main(args): return {}"


def frame(text):
    return (len(text) + 4).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text


SETTINGS_FRAME = frame(
    b'{"directory":"/code","entry":"f.py","namespace":"default","name":"f","version":"0","timeout":60000,"params":{},'
    b'"marker":"0","answerLimit":1048576}')
CALL_FRAME = frame(b'[1,[["0",null,{"a":1},-1,0,0]]]')


def rehearse():
    """In a fork that waits: does what its first call will do. What is written to meanwhile, reference counts above all, are
    pages that it shared with the zygote; each costs a fault and a copy, which nobody waits for now."""
    from .serving import settle_down

    first_call()
    # What the rehearsal has made goes; the first call's own takes its place.
    settle_down()


def first_call():
    from .jsontext import encode
    from .loading import handler_in
    from .serving import run_arguments
    from .wire import head

    settings, _ = head(SETTINGS_FRAME)
    module = type(gc)("rehearsal")
    exec(compile(MAIN, "rehearsal", "exec", dont_inherit=True), module.__dict__)
    handler, name, kind = handler_in(module, settings)
    lines = []
    encode({"ready": True, "handler": name, "kind": kind}).encode()
    (_, items), base = head(CALL_FRAME)
    run_arguments(handler, items, CALL_FRAME, base, lines.append)
