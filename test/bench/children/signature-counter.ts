/** Loaded before the gateway into each of its processes: appends one byte to a file for each signature. */
import { appendFileSync } from "node:fs";
import { KeyRing } from "../../../src/crypto/key-ring.ts";

const file = process.env["SIGNATURE_FILE"] ?? "";
const { sign } = KeyRing.prototype;
KeyRing.prototype.sign = function (this: KeyRing, message) {
  appendFileSync(file, ".");
  return sign.call(this, message);
};
