"use strict";
// The control socket and the ledger; the protocol is that of Runtimes/python/weir_runner/__init__.py.

const fs = require("fs");

const CONTROL = 3;
const LEDGER = 4;
const LEDGER_HEAD = 64;
const LEDGER_SIZE = 1 << 16;

/** Waits for a descriptor that some library has made non-blocking. */
const pause = new Int32Array(new SharedArrayBuffer(4));

function again(error) {
  if (error.code !== "EAGAIN") throw error;
  Atomics.wait(pause, 0, 0, 1);
}

function writeAll(descriptor, bytes) {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += fs.writeSync(descriptor, bytes, done, bytes.length - done);
    } catch (error) {
      again(error);
    }
  }
}

/** Whole frames out of a stream of bytes. */
class Frames {
  constructor() {
    this.pending = Buffer.alloc(0);
  }

  add(bytes) {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
  }

  /** The next frame, its head length first; null when it is not whole yet. */
  next() {
    const pending = this.pending;
    if (pending.length < 4) return null;
    const end = 4 + pending.readUInt32LE(0);
    if (pending.length < end) return null;
    this.pending = pending.subarray(end);
    return pending.subarray(4, end);
  }

  get missing() {
    const pending = this.pending;
    return pending.length < 4 ? 4 - pending.length : 4 + pending.readUInt32LE(0) - pending.length;
  }
}

class Control {
  constructor() {
    this.frames = new Frames();
    this.chunk = Buffer.allocUnsafeSlow(1 << 16);
  }

  /** The next frame. Blocks: between calls nothing of the function runs. Ends the process with the socket. */
  read() {
    for (;;) {
      const frame = this.frames.next();
      if (frame !== null) return frame;
      const missing = this.frames.missing;
      // A long frame goes to where it stays; of a short one more may follow in the same read.
      const into = missing > this.chunk.length ? Buffer.allocUnsafeSlow(missing) : this.chunk;
      let count;
      try {
        count = fs.readSync(CONTROL, into, 0, into.length, null);
      } catch (error) {
        again(error);
        continue;
      }
      if (count === 0) process.reallyExit(0);
      // The chunk is used again: what a handler may keep (data as bytes) must not lie in it.
      const bytes = into.subarray(0, count);
      this.frames.add(into === this.chunk ? Buffer.from(bytes) : bytes);
    }
  }

  send(text) {
    const length = Buffer.byteLength(text);
    const bytes = Buffer.allocUnsafe(4 + length);
    bytes.writeUInt32LE(length, 0);
    bytes.write(text, 4);
    writeAll(CONTROL, bytes);
  }
}

function headOf(frame) {
  const end = 4 + frame.readUInt32LE(0);
  return { head: JSON.parse(frame.toString("utf8", 4, end)), base: end };
}

/** Lines on their way: into the ledger one by one (there may be a crash before the last), onto the socket together. */
class Answers {
  constructor(control) {
    this.control = control;
    this.counters = new BigUint64Array(3);
    this.head = Buffer.from(this.counters.buffer);
    this.lines = [];
    this.used = 0;
    this.count = 0;
    this.isAlone = true;
  }

  begin(number, calls) {
    // A call that is alone is answered at once: what is not in the ledger cannot be lost there.
    this.isAlone = calls === 1;
    this.lines = [];
    this.used = 0;
    this.count = 0;
    this.counters[0] = BigInt(number);
    this.note(0, 0);
  }

  note(first, bytes) {
    this.counters[1] = BigInt(first);
    this.counters[2] = BigInt(bytes);
    if (!this.isAlone || first + bytes === 0) fs.writeSync(LEDGER, this.head, 0, 24, 0);
  }

  add(line) {
    if (this.isAlone) {
      this.control.send(line);
      return;
    }
    const bytes = Buffer.from(line);
    if (LEDGER_HEAD + this.used + bytes.length > LEDGER_SIZE) {
      this.flush();
      if (LEDGER_HEAD + bytes.length > LEDGER_SIZE) {
        this.control.send(line);
        this.count += 1;
        this.note(this.count, 0);
        return;
      }
    }
    fs.writeSync(LEDGER, bytes, 0, bytes.length, LEDGER_HEAD + this.used);
    this.lines.push(line);
    this.used += bytes.length;
    this.count += 1;
    this.note(this.count - this.lines.length, this.used);
  }

  flush() {
    if (this.lines.length === 0) return;
    this.control.send(this.lines.join(""));
    this.lines = [];
    this.used = 0;
    this.note(this.count, 0);
  }
}

module.exports = { CONTROL, Answers, Control, Frames, headOf, writeAll };
