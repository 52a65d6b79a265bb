"""What a handler gets: its event and its context."""

import os
import sys
import time

from .jsontext import encode, loads

monotonic_ns = time.monotonic_ns


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

    __slots__ = ("activation_id", "_key", "_start", "_event", "_published", "_files")

    def __init__(self, activation_id, key, start, event, files=None):
        self.activation_id = activation_id
        self._key = key
        self._start = start
        self._event = event
        self._published = None
        # What the server has staged: one dictionary a call, None where there is nothing.
        self._files = files

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
        """The event's file as a local path, read-only; None when the event has none. Needs `input: file`."""
        files = self._files
        if files and files[0] and "input" in files[0]:
            return files[0]["input"]
        if self._event is not None and str(self._event.get("source", "")).startswith("file://"):
            raise LookupError("this function is not given files: declare \"input: file\" for it")
        return None

    @property
    def inputs(self):
        """The paths of a batch's files, one an event, in their order."""
        return [one.get("input") if one else None for one in self._files or ()]

    @property
    def output(self):
        """The folder for what is to be published when the call succeeds; None without `output`."""
        files = self._files
        return files[0].get("output") if files and files[0] else None

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
