"""The runner's life: waits for its function, loads it, runs its calls."""

import gc
import os

from .answers import answer, error_line, failure
from .events import Context, Event, Function, event_of_arguments, monotonic_ns
from .jsontext import encode
from .loading import is_coroutine_function, specialise
from .logs import flush_logs, open_logs, state
from .wire import CONTROL, Answers, Control, head

new_event = Event.__new__


async def _nothing():
    pass


_coroutine = _nothing()
Coroutine = _coroutine.__class__
_coroutine.close()

_loop = None


def finish(coroutine):
    """Runs a handler's coroutine to its end, on one event loop for all calls."""
    global _loop
    if _loop is None:
        import asyncio

        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    return _loop.run_until_complete(coroutine)


def given(arguments):
    """The parameters, and over them what a call brings; a list is what it is."""
    return arguments if arguments.__class__ is list else {**Function.params, **arguments}


def arguments_of(item, frame, base):
    """What `main(args)` gets: the parameters, and over them the arguments or the event in its JSON format."""
    if item[3] < 0:
        return given(item[2])
    return {**Function.params, **event_of(item, frame, base).to_dict()}


def event_of(item, frame, base):
    if item[3] < 0:
        return event_of_arguments(given(item[2]), item[0])
    event = new_event(Event)
    event.__dict__ = item[2]
    event._frame = frame
    event._kind = item[3]
    event._start = base + item[4]
    event._end = base + item[5]
    return event


def run_events(handler, calls, frame, base, add):
    """Calls `handle(event, context)` for each call. The loop that must be fast."""
    mark = state
    index = 0
    for activation, key, attributes, kind, start, end, *files in calls:
        mark.index = index
        index += 1
        if kind < 0:
            event = event_of_arguments(given(attributes), activation)
        else:
            event = new_event(Event)
            event.__dict__ = attributes
            event._frame = frame
            event._kind = kind
            event._start = base + start
            event._end = base + end
        began = monotonic_ns()
        context = Context(activation, key, began, event, files)
        try:
            result = handler(event, context)
            if result.__class__ is Coroutine:
                result = finish(result)
            took = monotonic_ns() - began
            if result is None and context._published is None:
                line = b"[0,%d]\n" % took
            else:
                line = answer(result, context, took)
        except BaseException as error:
            line = error_line(*failed(error, began))
        if mark.dirty:
            flush_logs()
        add(line)


def failed(error, began):
    took = monotonic_ns() - began
    status, message = failure(error)
    return status, took, message


variables = {}


def set_variables(wanted):
    """The environment that OpenWhisk's functions look into; only what differs from the call before is set."""
    for name, value in wanted.items():
        if variables.get(name) != value:
            variables[name] = value
            os.environ[name] = value
    if len(variables) > len(wanted):
        for name in [one for one in variables if one not in wanted]:
            del variables[name]
            os.environ.pop(name, None)


def run_arguments(handler, calls, frame, base, add):
    for index, item in enumerate(calls):
        state.index = index
        # A call may have a seventh member: what it has beside its arguments.
        if len(item) > 6 and "environment" in item[6]:
            set_variables(item[6]["environment"])
        elif variables:
            set_variables({})
        began = monotonic_ns()
        try:
            result = handler(arguments_of(item, frame, base))
            if result.__class__ is Coroutine:
                result = finish(result)
            line = answer(result, Context(item[0], item[1], began, None), monotonic_ns() - began)
        except BaseException as error:
            line = error_line(*failed(error, began))
        if state.dirty:
            flush_logs()
        add(line)


def run_batch(handler, calls, frame, base, add):
    """Calls `handle_batch(events, context)` once; every call gets its answer, the first one the events it published."""
    began = monotonic_ns()
    state.index = 0
    try:
        events = [event_of(item, frame, base) for item in calls]
        files = [item[6] if len(item) > 6 else None for item in calls]
        context = Context(calls[0][0], calls[0][1], began, events[0], files)
        result = handler(events, context)
        if result.__class__ is Coroutine:
            result = finish(result)
        line = answer(result, context, monotonic_ns() - began)
    except BaseException as error:
        line = error_line(*failed(error, began))
    if state.dirty:
        flush_logs()
    # One outcome, said once: the server gives it to every call of the frame.
    add(line)


RUN = {"event": run_events, "arguments": run_arguments, "batch": run_batch}


def run_frame(handler, kind, number, calls, frame, base, answers):
    """Runs the calls of a frame and sends what they answer."""
    state.frame = number
    state.sequence += 1 << 32
    state.index = 0
    answers.begin(number, 1 if kind == "batch" else len(calls))
    RUN[kind](handler, calls, frame, base, answers.add)
    answers.flush()


def main(is_stem=False):
    """The life of a runner that was started as a program."""
    os.set_inheritable(CONTROL, False)
    control = Control()
    open_logs()
    if is_stem:
        from .stem import warm

        warm()
        control.frame(b'{"stem":true}\n')
    serve(control)


def settle_down():
    """What is here now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    # Frames make hundreds of short-lived objects: the default of 700 would look through them in every frame.
    gc.set_threshold(20_000, 20, 50)


def serve(control):
    """Waits for the settings, then for calls, until the socket ends."""
    settings, _ = head(control.read())
    if settings.get("shared"):
        from .sharing import serve_shared

        serve_shared(control, settings)
    try:
        handler, name, kind = specialise(settings)
        overlap = settings.get("concurrent", 1) if kind != "batch" else 1
        if overlap > 1:
            from .overlapping import serve_overlapping
        elif is_coroutine_function(handler):
            finish(_nothing())
    except BaseException as error:
        message = failure(error)[1]
        flush_logs()
        control.frame(error_line(2, 0, "the code could not be loaded: " + message))
        return
    flush_logs()
    hello = {"ready": True, "handler": name, "kind": kind}
    if overlap > 1:
        hello["concurrent"] = True
    control.frame(encode(hello).encode() + b"\n")
    # While the server reads that, and sends the first call.
    settle_down()
    if overlap > 1:
        serve_overlapping(control, handler, kind, overlap)
    answers = Answers(control)
    while True:
        frame = control.read()
        (number, calls), base = head(frame)
        run_frame(handler, kind, number, calls, frame, base, answers)
        # The frame is let go before the wait for the next one.
        frame = calls = None
