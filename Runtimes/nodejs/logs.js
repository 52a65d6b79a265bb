"use strict";
// Standard output and error as logs that name the call which writes.

const { Writable } = require("stream");
const { writeAll } = require("./wire.js");

/** What the streams must know of the running call. */
const state = {
  marker: null,
  frame: 0,
  index: 0,
  sequence: 0,
  /** When several calls run at a time: says which of them writes. */
  current: null,
};

class LogStream extends Writable {
  constructor(descriptor) {
    super({ decodeStrings: true });
    this.fd = descriptor;
    this.marked = 0;
  }

  _write(chunk, encoding, done) {
    try {
      this.say(chunk);
      done();
    } catch (error) {
      done(error);
    }
  }

  say(chunk) {
    const call = state.current === null ? null : state.current();
    if (call !== null && call !== undefined) {
      writeAll(this.fd, Buffer.concat([mark(call.frame, 0), chunk]));
      return;
    }
    const sequence = state.sequence + state.index;
    if (state.marker !== null && sequence !== this.marked && sequence !== 0) {
      this.marked = sequence;
      chunk = Buffer.concat([mark(state.frame, state.index), chunk]);
    }
    writeAll(this.fd, chunk);
  }
}

function mark(frame, index) {
  return Buffer.from(`\0${state.marker} ${frame} ${index}\n`);
}

function openLogs() {
  for (const [name, descriptor] of [["stdout", 1], ["stderr", 2]]) {
    let stream;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get() {
        if (stream === undefined) stream = new LogStream(descriptor);
        return stream;
      },
    });
  }
}

module.exports = { openLogs, state };
