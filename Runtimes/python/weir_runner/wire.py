"""The control socket and the ledger."""

import mmap
import os

from .jsontext import scan

CONTROL = 3
LEDGER = 4
LEDGER_HEAD = 64
CHUNK = 1 << 16


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
