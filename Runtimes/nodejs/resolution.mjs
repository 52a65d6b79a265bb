// Finds packages of dependency layers for ES modules; see loading.js.

let bases = [];

export async function initialize({ paths }) {
  bases = paths.map((path) => `file://${encodeURI(path)}/../weir.mjs`);
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || /^[./]|^[a-z]+:/.test(specifier)) throw error;
    for (const parentURL of bases) {
      try {
        return await next(specifier, { ...context, parentURL });
      } catch (other) {
        if (other.code !== "ERR_MODULE_NOT_FOUND") throw other;
      }
    }
    throw error;
  }
}
