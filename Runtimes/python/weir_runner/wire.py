"""The control socket and the ledger."""

import os

from .jsontext import scan

CONTROL = 3
LEDGER = 4
LEDGER_HEAD = 64
CHUNK = 1 << 16


def map_ledger():
    """Memory that outlives this process: counters (frame, first line, bytes), then lines."""
    import mmap

    size = os.fstat(LEDGER).st_size
    view = memoryview(mmap.mmap(LEDGER, size))
    os.close(LEDGER)
    return view, view[:LEDGER_HEAD].cast("Q"), size


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
    """Lines on their way: into the ledger one by one, so that they outlive a crash of a later call; onto the socket
    together. A line that is alone in its frame goes out at once, and until there is another kind of frame there is no
    ledger: memory that most workers do not touch."""

    def __init__(self, control):
        self.control = control
        self.view = self.counters = None
        self.size = 0
        self.used = LEDGER_HEAD
        self.count = 0
        self.add = control.frame

    def begin(self, number, lines):
        if lines == 1:
            self.add = self.control.frame
            return
        if self.view is None:
            self.view, self.counters, self.size = map_ledger()
        self.counters[2] = 0
        self.counters[1] = 0
        self.counters[0] = number
        self.used = LEDGER_HEAD
        self.count = 0
        self.add = self.keep

    def keep(self, line):
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
