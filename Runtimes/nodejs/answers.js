"use strict";
// What is said of a call that has ended: one JSON line.

const { Context, Function, published } = require("./events.js");

const isEvent = (value) => value !== null && typeof value === "object" && "specversion" in value;

/** One line for a handler that has returned. */
function answer(result, context, nanoseconds, frame) {
  try {
    let status = 0;
    let events = Context.publishedBy(context);
    let text = "null";
    if (result !== undefined && result !== null) {
      if (Array.isArray(result)) {
        if (result.length > 0 && result.every(isEvent)) events = (events ?? []).concat(result.map(published));
      } else if (typeof result === "object") {
        if ("error" in result) {
          status = 1;
          events = null;
        } else if (isEvent(result)) events = (events ?? []).concat(published(result));
      }
      text = JSON.stringify(result);
      if (text === undefined) throw new TypeError(`a ${typeof result} has no JSON form`);
    }
    const line = lineOf(status, nanoseconds, text, events, frame);
    if (Buffer.byteLength(line) <= Function.limit) return line;
    // What stands around the result is not the function's.
    const length = Buffer.byteLength(text) + (events === null ? 0 : Buffer.byteLength(`${events}`));
    if (length <= Function.limit) return line;
    const limit = `the answer is ${length} bytes long, more than the ${Function.limit} that are allowed`;
    return errorLine(2, nanoseconds, limit, frame);
  } catch (error) {
    return errorLine(2, nanoseconds, `the result cannot be written as JSON: ${error.message}`, frame);
  }
}

function lineOf(status, nanoseconds, text, events, frame) {
  if (frame !== undefined) return `[${status},${nanoseconds},${text},[${events ?? ""}],${frame}]\n`;
  if (events !== null && events.length > 0) return `[${status},${nanoseconds},${text},[${events}]]\n`;
  return `[${status},${nanoseconds},${text}]\n`;
}

function errorLine(status, nanoseconds, message, frame) {
  if (message.length > 65536) message = message.slice(0, 65536) + "…";
  return lineOf(status, nanoseconds, JSON.stringify({ error: message }), null, frame);
}

/** One line for what a handler has thrown or its promise was rejected with; the stack goes to the log. */
function failure(error, nanoseconds, frame) {
  if (error instanceof Exit) return errorLine(1, nanoseconds, error.message, frame);
  if (error instanceof Error) {
    process.stderr.write(stackOf(error) + "\n");
    return errorLine(1, nanoseconds, messageOf(error), frame);
  }
  // Anything may be thrown. What is an error result already stays one.
  let text;
  try {
    const isResult = error !== null && typeof error === "object" && "error" in error;
    text = JSON.stringify(isResult ? error : { error: error === undefined ? "undefined was thrown" : error });
  } catch {
    return errorLine(1, nanoseconds, String(error), frame);
  }
  return lineOf(1, nanoseconds, text, null, frame);
}

function messageOf(error) {
  return error.message ? `${error.name}: ${error.message}` : String(error.name);
}

/** The stack without the runner's own part, at the end of it. */
function stackOf(error) {
  const lines = String(error.stack ?? error).split("\n");
  const isOurs = (line) => line.includes(__dirname + "/") || line.includes("node:internal/");
  while (lines.length > 1 && isOurs(lines[lines.length - 1])) lines.pop();
  return lines.join("\n");
}

/** What process.exit throws while a call runs, so that the worker lives on and says why. */
class Exit extends Error {}

module.exports = { Exit, answer, errorLine, failure, messageOf, stackOf };
