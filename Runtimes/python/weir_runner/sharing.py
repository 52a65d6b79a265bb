"""A worker that several functions of one namespace share: each is a module of its own in the same interpreter."""

import os
import resource
import sys

from .answers import error_line, failure
from .events import Function
from .jsontext import encode
from .loading import handler_in, system_packages
from .logs import flush_logs, state
from .serving import run_frame, set_variables, settle_down, variables
from .wire import Answers, head


def become(function):
    """What handlers and contexts see of the function that runs."""
    Function.name = function["name"]
    Function.version = function["version"]
    Function.params = function["params"]


def load(number, function, source):
    """Runs a function's module; gives its handler and how it is called."""
    become(function)
    entry = function["entry"]
    stem = entry.rpartition("/")[2].rpartition(".")[0] or entry
    name = "function_%d_%s" % (number, stem)
    module = type(sys)(name)
    module.__file__ = "/%s/%s" % (function["name"], entry)
    # Classes are looked for by their module's name (pickle, dataclasses).
    sys.modules[name] = module
    try:
        exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)
        handler, _, kind = handler_in(module, function)
    except BaseException:
        del sys.modules[name]
        raise
    return handler, kind


def serve_shared(control, settings):
    """Loads functions and runs their calls, as they are sent, until the socket ends."""
    functions = {}
    Function.namespace = settings["namespace"]
    Function.timeout = settings["timeout"]
    Function.limit = settings["answerLimit"]
    marker = settings["marker"].encode()
    os.chdir("/tmp")
    sys.path += system_packages()
    settle_down()
    control.frame(encode({"ready": True, "handler": "", "kind": "event"}).encode() + b"\n")
    answers = Answers(control)
    began_with = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        frame = control.read()
        message, base = head(frame)
        if message.__class__ is dict:
            number = message["load"]
            if variables:
                set_variables({})
            # What a module says while it is loaded belongs to no call yet.
            state.marker = None
            try:
                handler, kind = load(number, message, frame[base:])
                functions[number] = handler, kind, message
                grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began_with
                reply = encode({"loaded": number, "kind": kind, "grown": grown}).encode() + b"\n"
            except BaseException as error:
                reply = error_line(2, 0, "the code could not be loaded: " + failure(error)[1])
            flush_logs()
            state.marker = marker
            control.frame(reply)
            continue
        number, calls, index = message
        handler, kind, function = functions[index]
        become(function)
        # What a call was given by another API is not for the next function.
        if variables and kind != "arguments":
            set_variables({})
        run_frame(handler, kind, number, calls, frame, base, answers)
        # The frame is let go before the wait for the next one.
        frame = message = calls = None
