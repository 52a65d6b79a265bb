"""Several calls at a time in one worker: coroutines on one event loop, or plain functions in threads."""

import io
import os
import sys
from _contextvars import ContextVar
from _thread import allocate_lock

from .answers import answer, error_line
from .events import Context, monotonic_ns
from .loading import is_coroutine_function
from .logs import send, state
from .serving import Coroutine, arguments_of, event_of, failed
from .wire import CHUNK, CONTROL, head


class Call:
    """One running call: the frame that it came in, and what it has written without an end of line."""

    __slots__ = ("frame", "rests")

    def __init__(self, frame):
        self.frame = frame
        self.rests = ["", ""]


CURRENT = ContextVar("weir_call")
writing = allocate_lock()


class CallStream(io.TextIOBase):
    """A text stream whose every line says which call wrote it."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.buffer = CallBuffer(descriptor)

    def write(self, text):
        call = CURRENT.get(None)
        if call is None:
            self.buffer.write(text.encode("utf-8", "backslashreplace"))
            return len(text)
        which = self.descriptor - 1
        whole, end, rest = text.rpartition("\n")
        if end:
            emit(self.descriptor, call, call.rests[which] + whole + "\n")
            call.rests[which] = rest
        else:
            call.rests[which] += text
        return len(text)

    def flush(self):
        call = CURRENT.get(None)
        if call is not None:
            finish_lines(call, self.descriptor)

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor


class CallBuffer(io.BufferedIOBase):
    def __init__(self, descriptor):
        self.descriptor = descriptor

    def write(self, data):
        call = CURRENT.get(None)
        if call is None:
            with writing:
                send(self.descriptor, bytes(data))
        else:
            emit(self.descriptor, call, bytes(data))
        return len(data)

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor


def emit(descriptor, call, text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
    with writing:
        send(descriptor, b"\0%b %d 0\n%b" % (state.marker, call.frame, data))


def finish_lines(call, descriptor):
    rest = call.rests[descriptor - 1]
    if rest:
        call.rests[descriptor - 1] = ""
        emit(descriptor, call, rest + "\n")


def input_of(kind, item, frame, base, began):
    if kind == "arguments":
        return (arguments_of(item, frame, base),), Context(item[0], item[1], began, None)
    event = event_of(item, frame, base)
    context = Context(item[0], item[1], began, event, item[6:])
    return (event, context), context


def say(control, call, line):
    for descriptor in (1, 2):
        finish_lines(call, descriptor)
    with writing:
        control.frame(line)


def serve_overlapping(control, handler, kind, limit):
    """Never returns: the process ends with the socket."""
    sys.stdout = sys.__stdout__ = CallStream(1)
    sys.stderr = sys.__stderr__ = CallStream(2)
    if is_coroutine_function(handler):
        serve_coroutines(control, handler, kind)
    else:
        serve_threads(control, handler, kind, limit)


def serve_coroutines(control, handler, kind):
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    running = set()
    frames = Frames(control.pending)

    async def run(number, item, frame, base):
        call = Call(number)
        CURRENT.set(call)
        began = monotonic_ns()
        try:
            given, context = input_of(kind, item, frame, base, began)
            line = answer(await handler(*given), context, monotonic_ns() - began, number)
        except BaseException as error:
            line = error_line(*failed(error, began), number)
        say(control, call, line)

    def readable():
        data = os.read(CONTROL, CHUNK)
        if not data:
            os._exit(0)
        begin(frames.add(data))

    def begin(whole):
        for frame in whole:
            (number, calls), base = head(frame)
            # The loop itself holds tasks only weakly.
            task = loop.create_task(run(number, calls[0], frame, base))
            running.add(task)
            task.add_done_callback(running.discard)

    begin(frames.add(b""))
    loop.add_reader(CONTROL, readable)
    loop.run_forever()


def serve_threads(control, handler, kind, limit):
    import threading
    from queue import SimpleQueue

    waiting = SimpleQueue()

    def work():
        while True:
            run(*waiting.get())

    def run(number, item, frame, base):
        call = Call(number)
        CURRENT.set(call)
        began = monotonic_ns()
        try:
            given, context = input_of(kind, item, frame, base, began)
            result = handler(*given)
            if result.__class__ is Coroutine:
                import asyncio

                result = asyncio.run(result)
            line = answer(result, context, monotonic_ns() - began, number)
        except BaseException as error:
            line = error_line(*failed(error, began), number)
        say(control, call, line)

    threads = 0
    while True:
        frame = control.read()
        (number, calls), base = head(frame)
        waiting.put((number, calls[0], frame, base))
        # As many threads as there ever were calls at a time.
        if threads < limit:
            threads += 1
            threading.Thread(target=work, daemon=True).start()


class Frames:
    """Whole frames out of a stream of bytes."""

    def __init__(self, pending):
        self.pending = pending

    def add(self, data):
        data = self.pending + data
        whole = []
        while len(data) >= 4:
            size = int.from_bytes(data[:4], "little") + 4
            if len(data) < size:
                break
            whole.append(data[:size])
            data = data[size:]
        self.pending = data
        return whole
