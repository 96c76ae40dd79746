import { type AST, parseTOML } from "toml-eslint-parser";
import { LineIndex } from "./line-index.ts";
import type { ValuePath } from "./problem.ts";

/** Finds the line of each key of a TOML text, because `Bun.TOML.parse` reports no positions. */
export function tomlLines(text: string): LineIndex {
  const lines = new LineIndex();
  const [root] = parsed(text);
  for (const node of root?.body ?? []) {
    if (node.type === "TOMLKeyValue") addPair(node, [], lines);
    else {
      // The key of `[[routes]]` ends with an index. The list itself begins at its first item.
      if (node.kind === "array") lines.add(node.resolvedKey.slice(0, -1), node.loc.start.line);
      lines.add(node.resolvedKey, node.loc.start.line);
      for (const pair of node.body) addPair(pair, node.resolvedKey, lines);
    }
  }
  return lines;
}

/** Returns an empty list if toml-eslint-parser rejects a text that Bun accepts. Error messages then show no lines. */
function parsed(text: string): readonly AST.TOMLTopLevelTable[] {
  try {
    return parseTOML(text, { tomlVersion: "1.0" }).body;
  } catch {
    return [];
  }
}

function addPair({ key, value, loc }: AST.TOMLKeyValue, table: ValuePath, lines: LineIndex): void {
  const path = [...table, ...key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value))];
  lines.add(path, loc.start.line);
  addValue(value, path, lines);
}

function addValue(value: AST.TOMLContentNode, path: ValuePath, lines: LineIndex): void {
  if (value.type === "TOMLInlineTable") for (const pair of value.body) addPair(pair, path, lines);
  if (value.type !== "TOMLArray") return;
  for (const [index, item] of value.elements.entries()) {
    lines.add([...path, index], item.loc.start.line);
    addValue(item, [...path, index], lines);
  }
}
