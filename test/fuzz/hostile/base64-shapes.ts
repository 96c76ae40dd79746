/** Bodies of gRPC-Web text that are expensive to decode, or look as if they were. */

type Make = (size: number) => string;

const repeat =
  (group: string): Make =>
  (size) =>
    group.repeat(Math.max(1, Math.floor(size / group.length)));
const ended =
  (group: string, end: string): Make =>
  (size) =>
    repeat(group)(size - end.length) + end;

export const BASE64: Readonly<Record<string, Make>> = {
  "a frame of zeros": (size) => {
    const messageBytes = Math.max(1, Math.floor((size / 4) * 3) - 8);
    const frame = Buffer.alloc(5 + messageBytes);
    frame.writeUInt32BE(messageBytes, 1);
    return frame.toString("base64");
  },
  "one byte in every piece": repeat("QQ=="),
  "two bytes in every piece": repeat("QUI="),
  "a kilobyte in every piece": repeat(`${"AAAA".repeat(341)}QQ==`),
  "garbage at the end": ended("AAAA", "!!!!"),
  "bits that are not zero at the end": ended("AAAA", "QR=="),
  "no padding at the end": ended("AAAA", "Q"),
  "nothing but padding": repeat("="),
  "nothing but white space": repeat(" "),
  "white space in every group": repeat("A A A A "),
  "line breaks of MIME": repeat(`${"A".repeat(76)}\r\n`),
  "the URL alphabet": repeat("-_-_"),
  "bytes that are not ASCII": repeat("\u00ff"),
};
