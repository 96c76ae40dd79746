import { type AnyDesc, type DescEnum, type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** A file and all its direct and indirect imports, each as a serialized FileDescriptorProto. The file itself is the first. */
export type FileClosure = readonly Uint8Array[];

/**
 * Finds a `.proto` file by its name, or by a symbol or an extension that it declares. The index contains the files of
 * `services`, the additional `files`, and all direct and indirect imports of these files.
 */
export class DescriptorIndex {
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  /** Maps the full name of a message type and the number of an extension to the file that declares the extension. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #closures = new Map<DescFile, FileClosure>();

  constructor(services: readonly DescService[], files: readonly DescFile[]) {
    this.services = [...new Set(services.map(({ typeName }) => typeName))].sort();
    const roots = [...services.map(({ file }) => file), ...files];
    for (const each of roots.flatMap(withImports)) this.#files.set(each.proto.name, each);
    for (const file of this.#files.values()) this.#addFile(file);
  }

  fileNamed(name: string): FileClosure | undefined {
    return this.#closure(this.#files.get(name));
  }

  fileOfSymbol(fullName: string): FileClosure | undefined {
    return this.#closure(this.#symbols.get(fullName));
  }

  fileOfExtension(messageType: string, number: number): FileClosure | undefined {
    return this.#closure(this.#extensions.get(messageType)?.get(number));
  }

  /** Returns the numbers of all extensions of a message type, sorted. Returns `undefined` if the message type is unknown. */
  extensionNumbers(messageType: string): readonly number[] | undefined {
    const extensions = this.#extensions.get(messageType);
    return extensions && [...extensions.keys()].sort((a, b) => a - b);
  }

  #addFile(file: DescFile): void {
    for (const desc of nestedTypes(file)) {
      this.#symbols.set(desc.typeName, file);
      if (desc.kind === "message") this.#extensionsOf(desc);
      if (desc.kind === "extension") this.#extensionsOf(desc.extendee).set(desc.number, file);
      for (const name of memberNames(desc)) this.#symbols.set(name, file);
    }
  }

  #extensionsOf({ typeName }: DescMessage): Map<number, DescFile> {
    const known = this.#extensions.get(typeName) ?? new Map<number, DescFile>();
    this.#extensions.set(typeName, known);
    return known;
  }

  #closure(file: DescFile | undefined): FileClosure | undefined {
    if (file === undefined) return undefined;
    const known = this.#closures.get(file) ?? withImports(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
    this.#closures.set(file, known);
    return known;
  }
}

/** Returns the file, then all its direct and indirect imports. */
function withImports(file: DescFile): readonly DescFile[] {
  const all = new Set([file]);
  // The iteration of a Set also visits elements that are added during the iteration. So the loop reaches indirect imports too.
  for (const each of all) for (const imported of each.dependencies) all.add(imported);
  return [...all];
}

function memberNames(desc: AnyDesc): string[] {
  switch (desc.kind) {
    case "message":
      return [...desc.fields, ...desc.oneofs].map(({ name }) => `${desc.typeName}.${name}`);
    case "service":
      return desc.methods.map(({ name }) => `${desc.typeName}.${name}`);
    case "enum":
      return desc.values.map(({ name }) => `${scopeOf(desc)}${name}`);
    default:
      return [];
  }
}

/** Returns `package.` for the enum `package.Enum`. Its values have full names such as `package.VALUE`, without the enum's name. */
function scopeOf({ typeName, name }: DescEnum): string {
  return typeName.slice(0, typeName.length - name.length);
}
