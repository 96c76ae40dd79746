/** Functions that colour a text for a terminal. Without colours, they return the text unchanged. */
export interface Style {
  readonly name: (text: string) => string;
  readonly text: (text: string) => string;
  readonly value: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

const same = (text: string): string => text;
/** SGR parameters of ECMA-48 8.3.117. The terminal's own theme chooses the shades. */
const sgr = (on: number, off: number) => (text: string) => (text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`);

export const PLAIN: Style = { name: same, text: same, value: same, faint: same, good: same, bad: same };

export const COLOURED: Style = {
  name: sgr(36, 39),
  text: sgr(32, 39),
  value: sgr(33, 39),
  faint: sgr(2, 22),
  good: sgr(32, 39),
  bad: sgr(31, 39),
};
