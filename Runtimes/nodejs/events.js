"use strict";
// What a handler gets: its event and its context.

const fs = require("fs");

/** What every call shares. */
const Function = { name: "", namespace: "", version: "", timeout: 0, params: {}, limit: 1 << 20 };

/** One CloudEvent: its attributes are its own properties; `data` is decoded when it is first asked for. */
class Event {
  #frame;
  #kind;
  #start;
  #end;
  #data;

  constructor(attributes, frame, kind, start, end) {
    Object.assign(this, attributes);
    this.#frame = frame;
    this.#kind = kind;
    this.#start = start;
    this.#end = end;
  }

  static withData(attributes, data) {
    const event = new Event(attributes, null, data === undefined ? 0 : 3, 0, 0);
    event.#data = data;
    return event;
  }

  /** A JSON value, a Buffer, or undefined when there is none. */
  get data() {
    if (this.#kind === 1) {
      this.#data = JSON.parse(this.#frame.toString("utf8", this.#start, this.#end));
      this.#kind = 3;
    } else if (this.#kind === 2) {
      this.#data = this.#frame.subarray(this.#start, this.#end);
      this.#kind = 3;
    }
    return this.#data;
  }

  /** The event in CloudEvents' JSON format. */
  toJSON() {
    const data = this.data;
    if (data === undefined) return { ...this };
    return Buffer.isBuffer(data) ? { ...this, data_base64: data.toString("base64") } : { ...this, data };
  }
}

/** The event that a person's arguments stand for: a CloudEvent if they are one, else their own data. */
function eventOfArguments(given, activation) {
  if ("specversion" in given) {
    const { data, data_base64: packed, ...attributes } = given;
    return Event.withData(attributes, packed === undefined ? data : Buffer.from(packed, "base64"));
  }
  const attributes = { specversion: "1.0", id: activation, source: "/weir/invocation", type: "dev.weir.invocation" };
  return Event.withData(attributes, given);
}

/**
 * What the server lays beside a call, its seventh member: the event's file and the folder for outputs as paths, and
 * variables that hold for this call.
 */
function besides(call) {
  const more = call[6];
  if (more === undefined) return none;
  if (more.environment !== undefined) Object.assign(process.env, more.environment);
  return more;
}

const none = {};

function eventOf([activation, , attributes, kind, start, end], frame, base) {
  if (kind < 0) return eventOfArguments(given(attributes), activation);
  return new Event(attributes, frame, kind, base + start, base + end);
}

/** The parameters, and over them what a call brings; a list is what it is. */
function given(values) {
  return Array.isArray(values) ? values : { ...Function.params, ...values };
}

/** What `main(args)` gets: the parameters, and over them the arguments or the event in its JSON format. */
function argumentsOf(call, frame, base) {
  return given(call[3] < 0 ? call[2] : eventOf(call, frame, base).toJSON());
}

/** What a handler may know and do beside its event. */
class Context {
  #start;
  #event;
  #key;
  #inputs;
  #published = null;

  /** The folder for what is to be kept, if the function declares `output`. */
  output;

  constructor(calls, event) {
    const [activationId, key] = calls[0];
    this.activationId = activationId;
    this.#key = key;
    this.#event = event;
    this.#start = Date.now();
    const all = calls.map(besides);
    this.output = all[0].output;
    this.#inputs = all.map((more) => more.input);
  }

  /** The same for every attempt at the same work. */
  get idempotencyKey() {
    return this.#key ?? this.activationId;
  }

  get function() {
    return Function.name;
  }

  get namespace() {
    return Function.namespace;
  }

  get version() {
    return Function.version;
  }

  get params() {
    return Function.params;
  }

  /** When the process is killed, in milliseconds since 1970. */
  get deadline() {
    return this.#start + Function.timeout;
  }

  /** Milliseconds until the process is killed. */
  get remaining() {
    return Math.max(0, this.deadline - Date.now());
  }

  /** The event's file as a local path, if the function declares `input: file`; else that of a file:// event. */
  get input() {
    if (this.#inputs[0] !== undefined) return this.#inputs[0];
    const event = this.#event;
    return event && String(event.source ?? "").startsWith("file://") ? event.subject : undefined;
  }

  /** The files of a batch's events, in their order. */
  get inputs() {
    return this.#inputs;
  }

  /** Publishes an event when (and only when) the call succeeds. */
  publish(event) {
    if (this.#published === null) this.#published = [];
    this.#published.push(published(event));
  }

  /** The hexadecimal digest of a path or of bytes: any of the crypto module's, or adler32, crc32. */
  hash(file, algorithm = "sha256") {
    const digest = digestOf(algorithm);
    if (typeof file !== "string") {
      digest.update(file);
      return digest.hexadecimal();
    }
    const descriptor = fs.openSync(file, "r");
    try {
      const chunk = Buffer.allocUnsafe(1 << 20);
      for (let count; (count = fs.readSync(descriptor, chunk, 0, chunk.length, null)) > 0; ) {
        digest.update(chunk.subarray(0, count));
      }
      return digest.hexadecimal();
    } finally {
      fs.closeSync(descriptor);
    }
  }

  log(...values) {
    console.error(...values);
  }

  static publishedBy(context) {
    return context.#published;
  }
}

function digestOf(algorithm) {
  if (algorithm === "adler32" || algorithm === "crc32") return require("./sums.js")(algorithm);
  const digest = require("crypto").createHash(algorithm);
  return { update: (bytes) => digest.update(bytes), hexadecimal: () => digest.digest("hex") };
}

const texts = ["subject", "id", "source", "datacontenttype"];

/** An event to publish as it travels: what was said is kept as it was said, whatever the handler does to it later. */
function published(event) {
  if (event === null || typeof event !== "object" || typeof event.type !== "string" || event.type === "") {
    throw new TypeError('an event needs a type: context.publish({ type: "org.example.done", … })');
  }
  const out = { type: event.type };
  const extensions = {};
  let hasExtensions = false;
  for (const [name, value] of Object.entries(event)) {
    if (value === undefined || value === null || name === "type" || name === "data" || name === "data_base64") continue;
    if (name === "specversion" || name === "time" || name === "dataschema") continue;
    if (texts.includes(name)) {
      out[name] = String(value);
      continue;
    }
    if (!/^[a-z0-9]+$/.test(name)) {
      throw new TypeError(`'${name}' is no name of an event attribute: lower-case letters and digits only`);
    }
    if (typeof value !== "string" && typeof value !== "boolean" && !Number.isInteger(value)) {
      throw new TypeError(`the attribute '${name}' must be text, an integer or a boolean`);
    }
    extensions[name] = value;
    hasExtensions = true;
  }
  if (hasExtensions) out.extensions = extensions;
  const data = event.data;
  if (event.data_base64 !== undefined) out.data_base64 = String(event.data_base64);
  else if (ArrayBuffer.isView(data)) {
    out.data_base64 = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
  } else if (data !== undefined) out.data = data;
  return JSON.stringify(out);
}

module.exports = { Context, Event, Function, argumentsOf, eventOf, published };
