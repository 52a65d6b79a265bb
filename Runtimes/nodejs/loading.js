"use strict";
// From an interpreter that waits to the function that it runs.

const Module = require("module");
const fs = require("fs");
const path = require("path");
const { Function } = require("./events.js");

const usual = ["handleBatch", "handle", "main"];

/** Becomes the function that the settings name; gives its handler, the handler's name and its kind. */
async function specialise(settings) {
  Function.name = settings.name;
  Function.namespace = settings.namespace;
  Function.version = settings.version;
  Function.timeout = settings.timeout;
  Function.params = settings.params;
  Function.limit = settings.answerLimit;
  Object.assign(process.env, settings.environment);
  process.chdir(settings.directory);
  const paths = settings.paths ?? [];
  if (paths.length > 0) lookIn(paths);
  const file = path.join(settings.directory, settings.entry);
  const found = await load(file, settings.handler, paths);
  const names = settings.handler ? [settings.handler] : usual;
  for (const name of names) {
    if (typeof found[name] === "function") {
      return { handler: found[name], name, kind: settings.call ?? kindOf(found[name], name) };
    }
  }
  if (!settings.handler && typeof found.default === "function") {
    return { handler: found.default, name: "default", kind: settings.call ?? "event" };
  }
  throw new Missing(
    settings.handler
      ? `${settings.entry} defines no function '${settings.handler}'`
      : `${settings.entry} defines none of handleBatch(events, context), handle(event, context), main(args)`,
  );
}

/** Everything that might be the handler, by name. */
async function load(file, wanted, paths) {
  if (isModule(file)) return imported(file, paths);
  let module;
  try {
    module = run(file, wanted);
  } catch (error) {
    if (!hasModuleSyntax(error) || !file.endsWith(".js")) throw error;
    return await imported(file, paths).catch((other) => {
      if (hasModuleSyntax(other)) {
        other.message += '; an ES module is named .mjs, or its package.json has "type": "module"';
      }
      throw other;
    });
  }
  const exported = module.exports;
  if (typeof exported === "function") return { default: exported, ...module.unexported, ...exported };
  return { ...module.unexported, ...exported };
}

/**
 * Runs a CommonJS file as the main module. Functions that it defines without exporting them count too, as in a file
 * that was written to be one function; only the file itself can name them, so a line behind its end does.
 */
function run(file, wanted) {
  const names = wanted && /^[A-Za-z_$][\w$]*$/.test(wanted) ? [wanted] : usual;
  const fields = names.map((name) => `${name}: typeof ${name} === "function" ? ${name} : undefined`);
  const module = new Module(file, null);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  Module._cache[file] = module;
  process.mainModule = module;
  const source = fs.readFileSync(file, "utf8");
  // Newer interpreters take an ES module here as well, by its syntax, and such a file knows no `module`.
  const tail = `typeof module === "undefined" || (module.unexported = {${fields.join(", ")}});`;
  module._compile(`${source}\n;${tail}`, file);
  module.loaded = true;
  return module;
}

/** Whether a file failed for having the syntax of an ES module without saying that it is one. */
function hasModuleSyntax(error) {
  if (error.code === "ERR_REQUIRE_ASYNC_MODULE" || error.code === "ERR_REQUIRE_ESM") return true;
  return error instanceof SyntaxError && /import|export|await/.test(error.message);
}

async function imported(file, paths) {
  if (paths.length > 0 && typeof Module.register === "function") {
    // The resolution of ES modules knows no search path: a hook looks where packages of a layer lie.
    Module.register("./resolution.mjs", { parentURL: "file://" + __filename, data: { paths } });
  }
  const namespace = await import("file://" + encodeURI(file).replace(/[?#]/g, encodeURIComponent));
  return { ...namespace };
}

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (!file.endsWith(".js")) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type === "module";
    } catch (error) {
      if (error.code !== "ENOENT") return false;
    }
    if (folder === path.dirname(folder)) return false;
  }
}

function lookIn(paths) {
  process.env.NODE_PATH = paths.join(":");
  Module._initPaths();
}

function kindOf(handler, name) {
  if (name === "handleBatch") return "batch";
  if (name === "handle" || name === "default") return "event";
  return name === "main" || handler.length === 1 ? "arguments" : "event";
}

/** The code has no handler. */
class Missing extends Error {}

module.exports = { Missing, specialise };
