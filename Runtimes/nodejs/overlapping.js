"use strict";
// Several calls at a time in one worker, on the one event loop; each frame holds one call, answers name their frame.

const { AsyncLocalStorage } = require("async_hooks");
const { Socket } = require("net");
const { answer, failure } = require("./answers.js");
const { state } = require("./logs.js");
const { CONTROL, headOf } = require("./wire.js");

module.exports = function serveOverlapping(control, handler, inputOf) {
  const calls = new AsyncLocalStorage();
  state.current = () => calls.getStore();
  const frames = control.frames;
  const socket = new Socket({ fd: CONTROL, readable: true, writable: true });

  async function run(number, call, frame, base) {
    const began = performance.now();
    const took = () => Math.round((performance.now() - began) * 1e6);
    let line;
    try {
      const { given, context } = inputOf(call, frame, base);
      line = answer(await handler(...given), context, took(), number);
    } catch (error) {
      line = failure(error, took(), number);
    }
    const bytes = Buffer.from(line);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length, 0);
    socket.write(Buffer.concat([length, bytes]));
  }

  function begin() {
    for (let frame; (frame = frames.next()) !== null; ) {
      const { head, base } = headOf(frame);
      const current = frame;
      calls.run({ frame: head[0] }, run, head[0], head[1][0], current, base);
    }
  }

  socket.on("data", (bytes) => {
    frames.add(bytes);
    begin();
  });
  socket.on("end", () => process.reallyExit(0));
  socket.on("error", () => process.reallyExit(0));
  begin();
  return new Promise(() => {});
};
