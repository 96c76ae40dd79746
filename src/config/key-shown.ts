/** A setting's name is a few short words, an item of a list is a number; a seed, a token or a URL is neither. */
const NAME = /^([A-Za-z_][A-Za-z0-9_-]{0,39}|\d{1,4}|<<)$/;

/** Of a variable, which is longer; no seed is in capitals. */
const VARIABLE = /^SALLYPORT_[A-Z0-9_]{1,80}$/;

/** A key as a problem names it. What stands in a name's place may be a misplaced secret, or steer a terminal. */
export function keyShown(key: string): string {
  return key
    .split(".")
    .map((name) => (NAME.test(name) || VARIABLE.test(name) ? name : "(a name that is not shown)"))
    .join(".");
}
