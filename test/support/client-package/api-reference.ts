import { join } from "node:path";
import ts from "typescript";
import { clientProgram, ENTRY_POINTS } from "./compile.ts";

/** The API reference in the package's README: each export of the entry points, with its docstring and its members. */

const source = join(import.meta.dir, "../../../src");

export function apiReference(): string {
  const program = clientProgram();
  const checker = program.getTypeChecker();
  return Object.entries(ENTRY_POINTS)
    .map(([name, path]) => {
      const file = program.getSourceFile(join(source, `${path}.ts`));
      const module = file && checker.getSymbolAtLocation(file);
      if (module === undefined) throw new Error(`${path}.ts has no exports`);
      const title = name === "." ? "sallyport-client" : `sallyport-client${name.slice(1)}`;
      const exported = checker.getExportsOfModule(module).map((symbol) => new Entry(checker, resolved(checker, symbol)));
      const [values, types] = [exported.filter((entry) => entry.isValue), exported.filter((entry) => !entry.isValue)];
      const sections = [
        section(`### Functions and classes of \`${title}\``, values),
        section(`### Types of \`${title}\``, types),
      ];
      return sections.filter(Boolean).join("\n");
    })
    .join("\n");
}

function section(title: string, entries: readonly Entry[]): string {
  if (entries.length === 0) return "";
  const sorted = entries.toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
  return [title, "", ...sorted.map((entry) => entry.render())].join("\n");
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** One exported function, class, interface or type. */
class Entry {
  readonly #checker: ts.TypeChecker;
  readonly #symbol: ts.Symbol;
  readonly #node: ts.Declaration;

  constructor(checker: ts.TypeChecker, symbol: ts.Symbol) {
    const [node] = symbol.declarations ?? [];
    if (node === undefined) throw new Error(`${symbol.name} has no declaration`);
    this.#checker = checker;
    this.#symbol = symbol;
    this.#node = node;
  }

  get name(): string {
    return this.#symbol.name;
  }

  get isValue(): boolean {
    return ts.isFunctionDeclaration(this.#node) || ts.isClassDeclaration(this.#node);
  }

  render(): string {
    const doc = this.#docOf(this.#symbol);
    return [`#### ${this.name}`, "", "```ts", this.#signature(), "```", "", ...(doc ? [doc, ""] : []), ...this.#members()].join(
      "\n",
    );
  }

  #signature(): string {
    const node = this.#node;
    if (ts.isFunctionDeclaration(node)) return `function ${this.name}${callOf(node)}`;
    if (ts.isTypeAliasDeclaration(node)) return oneLine(node.getText().replace(/^export /, ""));
    if (!ts.isClassDeclaration(node) && !ts.isInterfaceDeclaration(node)) throw new Error(`${this.name} is of another kind`);
    const heritage = node.heritageClauses?.map((clause) => ` ${clause.getText()}`).join("") ?? "";
    return `${ts.isClassDeclaration(node) ? "class" : "interface"} ${this.name}${heritage}`;
  }

  /** The public members that the class or interface itself declares, as a list. */
  #members(): string[] {
    const node = this.#node;
    if (!ts.isClassDeclaration(node) && !ts.isInterfaceDeclaration(node)) return [];
    const members = [...node.members].sort(
      (a, b) => Number(ts.isConstructorDeclaration(b)) - Number(ts.isConstructorDeclaration(a)),
    );
    const lines = members.flatMap((member: ts.ClassElement | ts.TypeElement) => {
      const text = memberText(member);
      if (text === undefined) return [];
      const symbol = ts.isConstructorDeclaration(member) ? undefined : this.#checker.getSymbolAtLocation(member.name ?? member);
      const doc = symbol ? this.#docOf(symbol) : constructorDoc(member);
      return [`- \`${text}\`${doc ? `\\\n${indented(doc)}` : ""}`];
    });
    return lines.length === 0 ? [] : [...lines, ""];
  }

  #docOf(symbol: ts.Symbol): string {
    return ts.displayPartsToString(symbol.getDocumentationComment(this.#checker));
  }
}

/** A member as one line of code; `undefined` if it is private. */
function memberText(member: ts.ClassElement | ts.TypeElement): string | undefined {
  const name = member.name?.getText() ?? "";
  if (name.startsWith("#") || ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) return undefined;
  if (ts.isConstructorDeclaration(member)) return `new ${member.parent.name?.text ?? ""}(${parametersOf(member)})`;
  if (ts.isMethodDeclaration(member) || ts.isMethodSignature(member)) return `${name}${callOf(member)}`;
  if (ts.isGetAccessorDeclaration(member)) return `${name}: ${oneLine(member.type?.getText() ?? "")}`;
  if (!ts.isPropertyDeclaration(member) && !ts.isPropertySignature(member)) return undefined;
  const type = oneLine(member.type?.getText() ?? "");
  return member.questionToken ? `${name}?: ${type.replace(/ \| undefined$/, "")}` : `${name}: ${type}`;
}

function constructorDoc(member: ts.Node): string {
  return ts
    .getJSDocCommentsAndTags(member)
    .map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? "")
    .join("\n");
}

function callOf(node: ts.SignatureDeclaration): string {
  return `(${parametersOf(node)}): ${oneLine(node.type?.getText() ?? "")}`;
}

function parametersOf(node: ts.SignatureDeclaration): string {
  return node.parameters
    .map(({ name, questionToken, initializer, type }) => {
      const label = ts.isIdentifier(name) ? name.text : "options";
      return `${label}${questionToken || initializer ? "?" : ""}: ${oneLine(type?.getText() ?? "")}`;
    })
    .join(", ");
}

function oneLine(code: string): string {
  return code.replace(/\s*\/\*\*[\s\S]*?\*\//g, "").replace(/\s+/g, " ");
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");
}
