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
