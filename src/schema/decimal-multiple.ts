import type { Steps } from "./steps.ts";

/** Cost of one exact division, in steps of about 10 ns. A division takes about 1 µs. The cost is twice that, as a reserve. */
const STEPS_PER_DIVISION = 200;

/** `digits` times 10 to the power of `exponent`. */
interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

/**
 * Returns the check of the keyword `multipleOf`: whether a number is a multiple of `divisor`.
 *
 * The check converts both doubles to their shortest decimals and divides these exactly. So 19.99 is a multiple of 0.01. The
 * built-in check of ajv 8.20 is not used, because it divides the doubles: 19.99 / 0.01 is 1998.9999999999998.
 */
export function isMultipleOf(divisor: number, steps: Steps): (value: number) => boolean {
  if (!Number.isFinite(divisor) || divisor <= 0) return () => false;
  const unit = toDecimal(divisor);
  return (value) => {
    if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor)) return value % divisor === 0;
    if (!Number.isFinite(value)) return false;
    steps.take(STEPS_PER_DIVISION);
    return divides(unit, toDecimal(value));
  };
}

/**
 * Returns whether the second number is a multiple of `unit`. Both have at most 17 digits and an exponent from -340 to 308. So the
 * integers that this function computes have at most 670 digits.
 */
function divides(unit: Decimal, { digits, exponent }: Decimal): boolean {
  const shift = exponent - unit.exponent;
  if (shift >= 0) return (digits * 10n ** BigInt(shift)) % unit.digits === 0n;
  return digits % (unit.digits * 10n ** BigInt(-shift)) === 0n;
}

/** Converts a finite double to the shortest decimal that parses to the same double. */
function toDecimal(value: number): Decimal {
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}
