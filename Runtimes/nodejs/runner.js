"use strict";
// Runs a JavaScript function inside a worker: `node runner.js [stem]`, the control socket on descriptor 3, the ledger on 4.

const { Exit, answer, errorLine, failure, messageOf, stackOf } = require("./answers.js");
const { Context, argumentsOf, eventOf } = require("./events.js");
const { Missing, specialise } = require("./loading.js");
const { openLogs, state } = require("./logs.js");
const { Answers, Control, headOf } = require("./wire.js");

/** The call whose promise is waited for. */
let waiting = null;

const nanoseconds = (began) => Math.round((performance.now() - began) * 1e6);

const isPromise = (value) => value !== null && typeof value === "object" && typeof value.then === "function";

/** The result of a handler's promise; fails when nothing is left that could settle it. */
function settled(promise) {
  return new Promise((resolve, reject) => {
    waiting = reject;
    promise.then(resolve, reject);
  });
}

process.on("beforeExit", () => {
  if (waiting === null) return;
  const reject = waiting;
  // From within the loop, so that the next such promise is seen as well.
  setImmediate(() => reject(new Error("the handler's promise never settles: nothing is left that could do it")));
});

function exit(code) {
  throw new Exit(`the handler called process.exit(${code ?? ""})`);
}

/** Runs calls one after the other; `input` makes what the handler is called with. */
async function runEach(handler, calls, input, add) {
  for (let index = 0; index < calls.length; index++) {
    state.index = index;
    const began = performance.now();
    let line;
    try {
      const { given, context } = input(calls[index]);
      let result = handler(...given);
      if (isPromise(result)) {
        result = await settled(result);
        waiting = null;
      }
      const took = nanoseconds(began);
      line =
        result === undefined && Context.publishedBy(context) === null ? `[0,${took}]\n` : answer(result, context, took);
    } catch (error) {
      waiting = null;
      line = failure(error, nanoseconds(began));
    }
    add(line);
  }
}

/** One call of `handleBatch(events, context)`: one outcome, said once; the server gives it to every call of the frame. */
function batchInput(calls, frame, base) {
  return () => {
    const events = calls.map((call) => eventOf(call, frame, base));
    const context = new Context(calls, events[0]);
    return { given: [events, context], context };
  };
}

function inputOf(kind, call, frame, base) {
  if (kind === "arguments") {
    return { given: [argumentsOf(call, frame, base)], context: new Context([call], null) };
  }
  const event = eventOf(call, frame, base);
  const context = new Context([call], event);
  return { given: [event, context], context };
}

async function serve(control, isStem) {
  if (isStem) {
    await require("./stem.js")(runEach, inputOf);
    control.send('{"stem":true}\n');
  }
  const { head: settings } = headOf(control.read());
  let found;
  try {
    const loading = specialise(settings);
    found = await settled(loading);
    waiting = null;
  } catch (error) {
    waiting = null;
    const message = error instanceof Missing ? error.message : error instanceof Error ? messageOf(error) : String(error);
    if (error instanceof Error && !(error instanceof Missing)) process.stderr.write(stackOf(error) + "\n");
    control.send(errorLine(2, 0, "the code could not be loaded: " + message));
    process.reallyExit(0);
  }
  const { handler, name, kind } = found;
  const overlap = kind === "batch" ? 1 : (settings.concurrent ?? 1);
  state.marker = settings.marker;
  process.exit = exit;
  const hello = { ready: true, handler: name, kind };
  if (overlap > 1) {
    control.send(JSON.stringify({ ...hello, concurrent: true }) + "\n");
    return require("./overlapping.js")(control, handler, (call, frame, base) => inputOf(kind, call, frame, base));
  }
  control.send(JSON.stringify(hello) + "\n");
  const answers = new Answers(control);
  const add = (line) => answers.add(line);
  for (;;) {
    const frame = control.read();
    const { head, base } = headOf(frame);
    const [number, calls] = head;
    state.frame = number;
    state.sequence += 2 ** 21;
    answers.begin(number, kind === "batch" ? 1 : calls.length);
    if (kind === "batch") await runEach(handler, [calls], batchInput(calls, frame, base), add);
    else await runEach(handler, calls, (call) => inputOf(kind, call, frame, base), add);
    answers.flush();
  }
}

openLogs();
serve(new Control(), process.argv[2] === "stem").catch((error) => {
  process.stderr.write(`${error.stack ?? error}\n`);
  process.reallyExit(70);
});
