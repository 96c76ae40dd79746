/** A ustar archive (POSIX.1-1988) whose bytes depend on nothing but its files: no time, no user, sorted by path. */

const BLOCK_BYTES = 512;
/** npm's own archives have this time, because zip files cannot have an earlier one: 1985-10-26 08:15 UTC. */
const MTIME = 499_162_500;

export function tar(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const paths = [...files.keys()].sort();
  const blocks = paths.flatMap((path) => {
    const content = files.get(path) ?? new Uint8Array();
    return [header(path, content.byteLength), content, new Uint8Array(-content.byteLength & (BLOCK_BYTES - 1))];
  });
  return Buffer.concat([...blocks, new Uint8Array(2 * BLOCK_BYTES)]);
}

function header(path: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is longer than 100 bytes`);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  // Name, mode, uid, gid, size, mtime, checksum (as spaces), type, then the magic number at 257.
  block.write(
    `${path.padEnd(100, "\0")}${octal(0o644, 7)}${octal(0, 7)}${octal(0, 7)}${octal(size, 11)}${octal(MTIME, 11)}        0`,
  );
  block.write("ustar\x0000", 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${octal(checksum, 6)} `, 148);
  return block;
}
