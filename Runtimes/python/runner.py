"""Runs a Python function inside a worker.

Started as `python3 -I -S -E runner.py` with the control socket on descriptor 3 and the ledger on descriptor 4. A frame on
the socket is `u32 length` (little-endian) and as many bytes. To the worker: `u32 head length`, head (JSON), data bytes.

The first head says what to run and is answered by {"ready": …} or {"failed": …}. Every later one is
`[frame number, [call, …]]`, a call being `[activation id, idempotency key, attributes or arguments, kind, start, end]`
with kind -1 arguments, 0 event without data, 1 JSON data, 2 bytes; start and end are the data's place behind the head.
Answers are JSON lines in the order of the calls: `[status, nanoseconds, result, published]`, status 0 success, 1 the
function failed, 2 its answer cannot be taken. Every line is put into the ledger as soon as it is there, so that it
outlives a crash of a later call, and all travel on the socket when the frame is done.
"""

import gc
import io
import json
import mmap
import os
import sys
import time

CONTROL = 3
LEDGER = 4
LEDGER_HEAD = 64
CHUNK = 1 << 16

monotonic_ns = time.monotonic_ns
scan = json.JSONDecoder().scan_once


def loads(data):
    text = str(data, "utf-8").strip()
    value, end = scan(text, 0)
    if end != len(text):
        raise ValueError("there is more behind the JSON value")
    return value


def _make_encoder():
    options = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}
    encode = json.JSONEncoder(**options).encode
    try:
        # One C encoder for all answers: JSONEncoder.encode makes a new one every time.
        from json.encoder import c_make_encoder, encode_basestring

        fast = c_make_encoder(None, json.JSONEncoder().default, encode_basestring, None, ":", ",", False, False, False)
        if "".join(fast({"a": [1, "b"]}, 0)) == '{"a":[1,"b"]}':
            return lambda value: "".join(fast(value, 0))
    except Exception:
        pass
    return encode


encode = _make_encoder()


class State:
    """What the log streams must know of the running call."""

    __slots__ = ("frame", "index", "sequence", "dirty", "marker")

    def __init__(self):
        self.frame = 0
        self.index = 0
        self.sequence = 0
        self.dirty = False
        self.marker = None


state = State()


class LogPipe(io.BufferedIOBase):
    """A log pipe that names the call before the first bytes that it says."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.marked = 0

    def write(self, data):
        data = bytes(data)
        sequence = state.sequence + state.index
        if sequence != self.marked and state.marker is not None:
            self.marked = sequence
            mark = b"\0%b %d %d\n" % (state.marker, state.frame, state.index)
            self.send(mark + data)
        else:
            self.send(data)
        return len(data)

    def send(self, data):
        while data:
            data = data[os.write(self.descriptor, data):]

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor


class LogStream(io.TextIOWrapper):
    """Text to a log pipe, a line at a time, so that nothing is lost with the process."""

    def __init__(self, descriptor):
        super().__init__(LogPipe(descriptor), encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def write(self, text):
        state.dirty = True
        return super().write(text)


def flush_logs():
    state.dirty = False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


class Event:
    """One CloudEvent. Attributes are attributes and items: event.id, event["subject"], event.get("filesize")."""

    __slots__ = ("__dict__", "_frame", "_kind", "_start", "_end", "_data")

    @property
    def data(self):
        """The data: a JSON value decoded on first use, bytes as they are, or None."""
        kind = self._kind
        if kind == 1:
            self._data = loads(self._frame[self._start:self._end])
            self._kind = 3
        elif kind == 2:
            self._data = self._frame[self._start:self._end]
            self._kind = 3
        elif kind == 0:
            return None
        return self._data

    @property
    def attributes(self):
        return dict(self.__dict__)

    def __getattr__(self, name):
        if name in ("subject", "time", "datacontenttype", "dataschema"):
            return None
        raise AttributeError("the event has no attribute '%s'; it has: %s" % (name, ", ".join(self.__dict__)))

    def __getitem__(self, name):
        return self.data if name == "data" else self.__dict__[name]

    def __contains__(self, name):
        return name in self.__dict__ or (name == "data" and self._kind != 0)

    def __iter__(self):
        return iter(self.__dict__)

    def get(self, name, default=None):
        return self.__dict__.get(name, default)

    def keys(self):
        return self.__dict__.keys()

    def items(self):
        return self.__dict__.items()

    def to_dict(self):
        """The event in CloudEvents' JSON format."""
        whole = dict(self.__dict__)
        data = self.data
        if isinstance(data, bytes):
            import base64

            whole["data_base64"] = base64.b64encode(data).decode()
        elif self._kind != 0:
            whole["data"] = data
        return whole

    def __repr__(self):
        return "Event(%r)" % self.__dict__


new_event = Event.__new__


def event_of_arguments(arguments, activation):
    """The event that a person's arguments stand for: a CloudEvent if they are one, else their own data."""
    event = new_event(Event)
    if "specversion" in arguments:
        event._data = arguments.pop("data", None)
        if "data_base64" in arguments:
            import base64

            event._data = base64.b64decode(arguments.pop("data_base64"))
        event.__dict__ = arguments
    else:
        event._data = arguments
        event.__dict__ = {
            "specversion": "1.0", "id": activation, "source": "/weir/invocation", "type": "dev.weir.invocation",
        }
    event._kind = 0 if event._data is None else 3
    return event


class Function:
    """What every call shares."""

    name = namespace = version = ""
    timeout = 0
    params = {}
    limit = 1 << 20


class Context:
    """What a handler may know and do beside its event."""

    __slots__ = ("activation_id", "_key", "_start", "_event", "_published")

    def __init__(self, activation_id, key, start, event):
        self.activation_id = activation_id
        self._key = key
        self._start = start
        self._event = event
        self._published = None

    @property
    def idempotency_key(self):
        """The same for every attempt at the same work."""
        return self._key if self._key is not None else self.activation_id

    @property
    def function(self):
        return Function.name

    @property
    def namespace(self):
        return Function.namespace

    @property
    def version(self):
        return Function.version

    @property
    def params(self):
        return Function.params

    @property
    def remaining(self):
        """Milliseconds until the process is killed."""
        return max(0, Function.timeout - (monotonic_ns() - self._start) // 1_000_000)

    @property
    def deadline(self):
        """When the process is killed, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + self.remaining

    @property
    def input(self):
        """The event's file as a local path, for events of a file:// source; else None."""
        event = self._event
        if event is None or not str(event.get("source", "")).startswith("file://"):
            return None
        return event.get("subject")

    def publish(self, type, subject=None, data=None, id=None, source=None, datacontenttype=None, **extensions):
        """Publishes an event when (and only when) the call succeeds."""
        if not isinstance(type, str) or not type:
            raise ValueError("an event needs a type: context.publish(type=\"org.example.done\", …)")
        if self._published is None:
            self._published = []
        self._published.append(published(type, subject, data, id, source, datacontenttype, extensions))

    def hash(self, file, algorithm="sha256"):
        """The hexadecimal digest of an open file or a path: any of hashlib's, or adler32, crc32."""
        if isinstance(file, (str, bytes, os.PathLike)):
            with open(file, "rb") as opened:
                return self.hash(opened, algorithm)
        if algorithm in ("adler32", "crc32"):
            import zlib

            step = getattr(zlib, algorithm)
            value = 1 if algorithm == "adler32" else 0
            while chunk := file.read(1 << 20):
                value = step(chunk, value)
            return "%08x" % value
        import hashlib

        digest = hashlib.new(algorithm)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()

    def log(self, *values):
        print(*values, file=sys.stderr)


def published(type, subject, data, id, source, datacontenttype, extensions):
    event = {"type": type}
    if subject is not None:
        event["subject"] = str(subject)
    if id is not None:
        event["id"] = str(id)
    if source is not None:
        event["source"] = str(source)
    if datacontenttype is not None:
        event["datacontenttype"] = str(datacontenttype)
    for name, value in extensions.items():
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise ValueError("'%s' is no name of an event attribute: lower-case letters and digits only" % name)
        if not isinstance(value, (str, int, bool)):
            raise ValueError("the attribute '%s' must be text, an integer or a boolean" % name)
    if extensions:
        event["extensions"] = extensions
    if isinstance(data, (bytes, bytearray, memoryview)):
        import base64

        event["data_base64"] = base64.b64encode(data).decode()
    elif data is not None:
        event["data"] = data
    # What was said is kept as it was said: the handler may change its dictionary and publish again.
    return encode(event)


def published_result(result):
    """The event that a returned dictionary with `specversion` is."""
    rest = dict(result)
    rest.pop("specversion")
    type, data = rest.pop("type", None), rest.pop("data", None)
    if "data_base64" in rest:
        import base64

        data = base64.b64decode(rest.pop("data_base64"))
    if not isinstance(type, str) or not type:
        raise ValueError("the returned event has no type")
    rest.pop("time", None)
    rest.pop("dataschema", None)
    known = [rest.pop(name, None) for name in ("subject", "id", "source", "datacontenttype")]
    return published(type, known[0], data, known[1], known[2], known[3], rest)


def failure(error):
    """The answer for an exception of the handler; its traceback goes to the log."""
    if isinstance(error, MemoryError):
        return 2, "out of memory: the function needs more than its memory limit"
    if isinstance(error, SystemExit):
        return 1, "the handler called sys.exit(%r)" % (error.code,)
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        traceback.print_exception(error.__class__, error, trace, file=sys.stderr)
    except Exception:
        pass
    text = str(error)
    return 1, error.__class__.__name__ + (": " + text if text else "")


def answer(result, context, nanoseconds):
    """One line for a handler that has returned."""
    try:
        events = context._published
        if result is None:
            text = "null"
        else:
            if result.__class__ is dict:
                if "error" in result:
                    return ("[1,%d,%s]\n" % (nanoseconds, encode(result))).encode()
                if "specversion" in result:
                    events = (events or []) + [published_result(result)]
            elif result.__class__ is list and result and all(
                    one.__class__ is dict and "specversion" in one for one in result):
                events = (events or []) + [published_result(one) for one in result]
            text = encode(result)
        if events:
            line = ("[0,%d,%s,[%s]]\n" % (nanoseconds, text, ",".join(events))).encode()
        else:
            line = ("[0,%d,%s]\n" % (nanoseconds, text)).encode()
    except MemoryError:
        return error_line(2, nanoseconds, "out of memory: the function needs more than its memory limit")
    except UnicodeEncodeError:
        return error_line(2, nanoseconds, "the result holds text that is not Unicode (half of a surrogate pair)")
    except RecursionError:
        return error_line(2, nanoseconds, "the result nests too deep, or contains itself")
    except (TypeError, ValueError) as error:
        return error_line(2, nanoseconds, "the result cannot be written as JSON: %s" % error)
    except Exception as error:
        return error_line(2, nanoseconds, "the result cannot be written as JSON: %s: %s" % (
            error.__class__.__name__, error))
    if len(line) > Function.limit:
        return error_line(2, nanoseconds, "the answer is %d bytes long, more than the %d that are allowed" % (
            len(line), Function.limit))
    return line


def error_line(status, nanoseconds, message):
    # Plain ASCII: an exception's text may hold anything.
    message = message if len(message) < 65536 else message[:65536] + "…"
    message = message.encode("utf-8", "backslashreplace").decode()
    return ("[%d,%d,{\"error\":%s}]\n" % (status, nanoseconds, json.dumps(message))).encode()


class Ledger:
    """Answers that outlive this process: counters (frame, first line, bytes), then the lines."""

    def __init__(self):
        size = os.fstat(LEDGER).st_size
        memory = mmap.mmap(LEDGER, size)
        os.close(LEDGER)
        self.view = memoryview(memory)
        self.counters = self.view[:LEDGER_HEAD].cast("Q")
        self.size = size


class Control:
    def __init__(self):
        self.pending = b""

    def read(self):
        """The next frame, head length first."""
        data = self.pending or os.read(CONTROL, CHUNK)
        while True:
            if not data:
                os._exit(0)
            if len(data) >= 4:
                break
            more = os.read(CONTROL, CHUNK)
            data = data + more if more else b""
        size = int.from_bytes(data[:4], "little") + 4
        if len(data) < size:
            parts = [data]
            missing = size - len(data)
            while missing > 0:
                part = os.read(CONTROL, CHUNK)
                if not part:
                    os._exit(0)
                parts.append(part)
                missing -= len(part)
            data = b"".join(parts)
        self.pending = data[size:]
        return data

    def write(self, data):
        done = os.write(CONTROL, data)
        if done < len(data):
            data = memoryview(data)
            while done < len(data):
                done += os.write(CONTROL, data[done:])

    def frame(self, data):
        self.write(len(data).to_bytes(4, "little") + data)


def head(frame):
    end = 8 + int.from_bytes(frame[4:8], "little")
    return scan(str(frame[8:end], "utf-8"), 0)[0], end


class Answers:
    """Lines on their way: into the ledger one by one, onto the socket together."""

    def __init__(self, control, ledger):
        self.control = control
        self.view = ledger.view
        self.counters = ledger.counters
        self.size = ledger.size
        self.used = LEDGER_HEAD
        self.count = 0

    def begin(self, number):
        self.counters[2] = 0
        self.counters[1] = 0
        self.counters[0] = number
        self.used = LEDGER_HEAD
        self.count = 0

    def add(self, line):
        end = self.used + len(line)
        if end > self.size:
            self.flush()
            end = LEDGER_HEAD + len(line)
            if end > self.size:
                self.control.frame(line)
                self.count += 1
                self.counters[1] = self.count
                return
        self.view[self.used:end] = line
        self.used = end
        self.count += 1
        self.counters[2] = end - LEDGER_HEAD

    def flush(self):
        if self.used > LEDGER_HEAD:
            # The length stands right before the lines, in a part of the ledger's head that is for this.
            self.view[LEDGER_HEAD - 4:LEDGER_HEAD] = (self.used - LEDGER_HEAD).to_bytes(4, "little")
            self.control.write(self.view[LEDGER_HEAD - 4:self.used])
            self.counters[2] = 0
            self.counters[1] = self.count
            self.used = LEDGER_HEAD


def load(settings):
    """The handler and its kind."""
    directory = settings["directory"]
    path = os.path.join(directory, settings["entry"])
    # The interpreter runs without `site`; installed packages of the system are still for use, behind the function's own.
    version = "python%d.%d" % sys.version_info[:2]
    sys.path[:] = [directory, os.path.dirname(path)] + [one for one in sys.path if one != os.path.dirname(__file__)]
    for root in ("/usr/local/lib/%s/dist-packages" % version, "/usr/lib/python3/dist-packages",
                 "%s/lib/%s/site-packages" % (sys.prefix, version)):
        if os.path.isdir(root):
            sys.path.append(root)
    sys.dont_write_bytecode = True
    name = os.path.splitext(os.path.basename(path))[0]
    name = name if name not in sys.modules else "function_" + name
    module = type(sys)(name)
    module.__file__ = path
    sys.modules[name] = module
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    wanted = settings.get("handler")
    names = [wanted] if wanted else ["handle_batch", "handle", "main"]
    for one in names:
        handler = module.__dict__.get(one)
        if callable(handler):
            return handler, one, kind_of(handler, one)
    if wanted:
        raise LookupError("%s defines no function '%s'" % (settings["entry"], wanted))
    raise LookupError("%s defines none of handle_batch(events, context), handle(event, context), main(args)" % (
        settings["entry"]))


def kind_of(handler, name):
    code = getattr(handler, "__code__", None)
    names = code.co_varnames[:code.co_argcount] if code is not None else ()
    if name == "handle_batch" or names[:1] == ("events",):
        return "batch"
    if name == "main" or len(names) == 1:
        return "arguments"
    return "event"


def arguments_of(item, frame, base):
    """What `main(args)` gets: the parameters, and over them the arguments or the event in its JSON format."""
    if item[3] < 0:
        return {**Function.params, **item[2]}
    return {**Function.params, **event_of(item, frame, base).to_dict()}


def event_of(item, frame, base):
    if item[3] < 0:
        return event_of_arguments({**Function.params, **item[2]}, item[0])
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
    for activation, key, attributes, kind, start, end in calls:
        mark.index = index
        index += 1
        if kind < 0:
            event = event_of_arguments({**Function.params, **attributes}, activation)
        else:
            event = new_event(Event)
            event.__dict__ = attributes
            event._frame = frame
            event._kind = kind
            event._start = base + start
            event._end = base + end
        began = monotonic_ns()
        context = Context(activation, key, began, event)
        try:
            result = handler(event, context)
            took = monotonic_ns() - began
            if result is None and context._published is None:
                line = b"[0,%d]\n" % took
            else:
                line = answer(result, context, took)
        except BaseException as error:
            line = error_line(*_failed(error, began))
        if mark.dirty:
            flush_logs()
        add(line)


def _failed(error, began):
    took = monotonic_ns() - began
    status, message = failure(error)
    return status, took, message


def run_arguments(handler, calls, frame, base, add):
    for index, item in enumerate(calls):
        state.index = index
        began = monotonic_ns()
        try:
            arguments = arguments_of(item, frame, base)
            result = handler(arguments)
            line = answer(result, Context(item[0], item[1], began, None), monotonic_ns() - began)
        except BaseException as error:
            line = error_line(*_failed(error, began))
        if state.dirty:
            flush_logs()
        add(line)


def run_batch(handler, calls, frame, base, add):
    """Calls `handle_batch(events, context)` once; every call gets its answer, the first one the events it published."""
    began = monotonic_ns()
    state.index = 0
    try:
        events = [event_of(item, frame, base) for item in calls]
        context = Context(calls[0][0], calls[0][1], began, events[0])
        result = handler(events, context)
        line = answer(result, context, monotonic_ns() - began)
    except BaseException as error:
        line = error_line(*_failed(error, began))
    if state.dirty:
        flush_logs()
    # One outcome, said once: the server gives it to every call of the frame.
    add(line)


RUN = {"event": run_events, "arguments": run_arguments, "batch": run_batch}


def main():
    os.set_inheritable(CONTROL, False)
    control = Control()
    answers = Answers(control, Ledger())
    sys.stdout = sys.__stdout__ = LogStream(1)
    sys.stderr = sys.__stderr__ = LogStream(2)
    settings, _ = head(control.read())
    Function.name = settings["name"]
    Function.namespace = settings["namespace"]
    Function.version = settings["version"]
    Function.timeout = settings["timeout"]
    Function.params = settings["params"]
    Function.limit = settings["answerLimit"]
    try:
        handler, name, kind = load(settings)
    except BaseException as error:
        message = failure(error)[1]
        flush_logs()
        control.frame(error_line(2, 0, "the code could not be loaded: " + message))
        return
    flush_logs()
    gc.collect()
    gc.freeze()
    # Frames make hundreds of short-lived objects: the default of 700 would look through them in every frame.
    gc.set_threshold(20_000, 20, 50)
    state.marker = settings["marker"].encode()
    run = RUN[kind]
    control.frame(encode({"ready": True, "handler": name, "kind": kind}).encode() + b"\n")
    while True:
        frame = control.read()
        (number, calls), base = head(frame)
        state.frame = number
        state.sequence += 1 << 32
        state.index = 0
        answers.begin(number)
        run(handler, calls, frame, base, answers.add)
        answers.flush()
        # The frame is let go before the wait for the next one.
        frame = calls = None


main()
