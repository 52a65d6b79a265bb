"use strict";
// The two checksums that storage systems use and the crypto module lacks.

let table = null;

function crcTable() {
  const made = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    made[byte] = value >>> 0;
  }
  return made;
}

class CRC32 {
  constructor() {
    table ??= crcTable();
    this.value = 0xffffffff;
  }

  update(bytes) {
    let value = this.value;
    for (let index = 0; index < bytes.length; index++) value = table[(value ^ bytes[index]) & 255] ^ (value >>> 8);
    this.value = value >>> 0;
  }

  hexadecimal() {
    return ((this.value ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  }
}

class Adler32 {
  constructor() {
    this.a = 1;
    this.b = 0;
  }

  update(bytes) {
    let { a, b } = this;
    for (let index = 0; index < bytes.length; ) {
      // As many steps as the sums of RFC 1950 stay below 2^32 without a division.
      const end = Math.min(index + 5552, bytes.length);
      for (; index < end; index++) {
        a += bytes[index];
        b += a;
      }
      a %= 65521;
      b %= 65521;
    }
    this.a = a;
    this.b = b;
  }

  hexadecimal() {
    return (this.b * 65536 + this.a).toString(16).padStart(8, "0");
  }
}

module.exports = (algorithm) => (algorithm === "crc32" ? new CRC32() : new Adler32());
