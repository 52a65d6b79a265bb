"""What is said of a call that has ended: one JSON line."""

import sys

from .events import Function, published_result
from .jsontext import encode

OUT_OF_MEMORY = "out of memory: the function needs more than its memory limit"
HERE = __file__.rpartition("/")[0] + "/"


def failure(error):
    """The answer for an exception of the handler; its traceback goes to the log."""
    if isinstance(error, MemoryError):
        return 2, OUT_OF_MEMORY
    if isinstance(error, SystemExit):
        return 1, "the handler called sys.exit(%r)" % (error.code,)
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
        trace = trace.tb_next
    try:
        traceback.print_exception(error.__class__, error, trace, file=sys.stderr)
    except Exception:
        pass
    text = str(error)
    return 1, error.__class__.__name__ + (": " + text if text else "")


def answer(result, context, nanoseconds, frame=None):
    """One line for a handler that has returned."""
    status = 0
    try:
        events = context._published
        if result is None:
            text = "null"
        else:
            if result.__class__ is dict:
                if "error" in result:
                    status, events = 1, None
                elif "specversion" in result:
                    events = (events or []) + [published_result(result)]
            elif result.__class__ is list and result and all(
                    one.__class__ is dict and "specversion" in one for one in result):
                events = (events or []) + [published_result(one) for one in result]
            text = encode(result)
        line = line_of(status, nanoseconds, text, events, frame)
    except MemoryError:
        return error_line(2, nanoseconds, OUT_OF_MEMORY, frame)
    except UnicodeEncodeError:
        return error_line(
            2, nanoseconds, "the result holds text that is not Unicode (half of a surrogate pair)", frame)
    except RecursionError:
        return error_line(2, nanoseconds, "the result nests too deep, or contains itself", frame)
    except (TypeError, ValueError) as error:
        return error_line(2, nanoseconds, "the result cannot be written as JSON: %s" % error, frame)
    except Exception as error:
        return error_line(2, nanoseconds, "the result cannot be written as JSON: %s: %s" % (
            error.__class__.__name__, error), frame)
    if len(line) > Function.limit:
        # What stands around the result is not the function's.
        length = len(text.encode()) + len(",".join(events or ()).encode())
        if length > Function.limit:
            return error_line(2, nanoseconds, "the answer is %d bytes long, more than the %d that are allowed" % (
                length, Function.limit), frame)
    return line


def line_of(status, nanoseconds, text, events, frame):
    if frame is not None:
        return ("[%d,%d,%s,[%s],%d]\n" % (status, nanoseconds, text, ",".join(events or ()), frame)).encode()
    if events:
        return ("[%d,%d,%s,[%s]]\n" % (status, nanoseconds, text, ",".join(events))).encode()
    return ("[%d,%d,%s]\n" % (status, nanoseconds, text)).encode()


def error_line(status, nanoseconds, message, frame=None):
    message = message if len(message) < 65536 else message[:65536] + "…"
    # An exception's text may hold anything.
    message = message.encode("utf-8", "backslashreplace").decode()
    return line_of(status, nanoseconds, '{"error":%s}' % encode(message), None, frame)
