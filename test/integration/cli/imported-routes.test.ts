import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Shell } from "../../support/cli/shell.ts";
import { expectEachRouteServed } from "../../support/openapi/imported-expectations.ts";
import { ImportedGateway } from "../../support/openapi/imported-gateway.ts";

/** The description of a real service (the REST API of Figma, from its npm package) is put behind the gateway without an edit. */

const DOCUMENT = Bun.resolveSync("@figma/rest-api-spec/openapi/openapi.yaml", import.meta.dir);

let gateway: ImportedGateway;
beforeAll(async () => {
  gateway = await ImportedGateway.start(DOCUMENT);
}, 60_000);
afterAll(() => gateway.close());

test("each of the 54 operations is a route, without a remark on standard error", () => {
  expect(gateway.imported).toEqual({ code: 0, out: "", err: "sallyport: imported 54 of 54 operations\n" });
  expect(gateway.routes).toHaveLength(54);
});

test("each route reaches its operation, with the fields of path, query and body in their places", async () => {
  await expectEachRouteServed(gateway);
}, 60_000);

describe("the command", () => {
  const shell = new Shell();
  afterAll(() => shell.close());
  const YAML = `openapi: 3.0.3
info: { title: Pets, version: "1" }
servers: [{ url: "https://pets.example/v1" }]
paths:
  /pets/{id}:
    get: { operationId: getPet, tags: [pets], responses: { 200: { description: ok } } }
    put: { operationId: photo, requestBody: { content: { image/png: {} } }, responses: { 200: { description: ok } } }
`;
  const LEFT_OUT = "PUT /pets/{id} (photo): its body is image/png, whose bytes have no field for {id} of its path";
  const TOML = `[backend]
# url = "https://pets.example"
route_prefixes = ["/v1/pets/"]

[[routes]]
message_type = "pets.get_pet"
get = "/v1/pets/{id}"

# Left out:
# ${LEFT_OUT}
`;

  test("writes TOML, names what it left out on standard error and in a comment, and ends with 1", async () => {
    writeFileSync(join(shell.folder, "pets.yaml"), YAML);
    const { code, out, err } = await shell.run("sallyport routes import pets.yaml");
    expect(code).toBe(1);
    expect(out).toStartWith("# Imported from pets.yaml by `sallyport routes import`: 1 of 2 operations.\n");
    expect(out).toEndWith(`\n\n${TOML}`);
    expect(err).toBe(`sallyport: left out: ${LEFT_OUT}\nsallyport: imported 1 of 2 operations\n`);
  }, 60_000);

  test("reads standard input, writes a new file, and never overwrites one", async () => {
    const json = JSON.stringify({ openapi: "3.1.0", paths: { "/pets": { get: { operationId: "pets.list" } } } });
    const line = "sallyport routes import - --out new.toml --base-path /v9";
    expect(await shell.run(line, { stdin: json })).toEqual({
      code: 0,
      out: "",
      err: "sallyport: imported 1 of 1 operations\n",
    });
    expect(readFileSync(join(shell.folder, "new.toml"), "utf8")).toContain('message_type = "pets.list"\nget = "/v9/pets"\n');
    const again = await shell.run(line, { stdin: "{}" });
    expect(again.code).toBe(2);
    const kept = await shell.run(line, { stdin: json });
    expect([kept.code, kept.err]).toEqual([1, `sallyport: ${shell.folder}/new.toml: already exists, and is not overwritten\n`]);
  }, 60_000);

  test("--schemas writes new files beside the configuration, and reports what is left out of them", async () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string", pattern: "^(?!x)" }, tag: { $ref: "tags.json" }, age: { type: "integer" } },
    };
    const post = { operationId: "pets.add", requestBody: { content: { "application/json": { schema } } } };
    writeFileSync(join(shell.folder, "add.json"), JSON.stringify({ openapi: "3.1.0", paths: { "/pets": { post } } }));
    const line = "sallyport routes import add.json --out conf/pets.toml --schemas conf/schemas/v1";
    const { code, err } = await shell.run(`mkdir conf && ${line}`);
    const pattern =
      '#/properties/name/pattern: the pattern "^(?!x)" is wrong or not supported: it must match in linear time, without back-references and look-around';
    const reference =
      "#/properties/tag/$ref: it refers to another document; bundle the documents into one first, for example with redocly bundle";
    expect({ code, err }).toEqual({
      code: 0,
      err: `sallyport: not in the schema: POST /pets (pets.add): ${pattern}
sallyport: not in the schema: POST /pets (pets.add): ${reference}
sallyport: imported 1 of 1 operations, 1 with a schema
`,
    });
    const toml = readFileSync(join(shell.folder, "conf/pets.toml"), "utf8");
    expect(toml).toEndWith(`[[routes]]
# not in the schema: ${pattern}
# not in the schema: ${reference}
message_type = "pets.add"
post = "/pets"
body = "*"
schema = "schemas/v1/pets.add.json"
`);
    expect(JSON.parse(readFileSync(join(shell.folder, "conf/schemas/v1/pets.add.json"), "utf8"))).toEqual({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: { name: { type: "string" }, tag: {}, age: { type: "integer" } },
    });
    expect((await shell.run("sallyport routes conf/pets.toml")).code).toBe(0);
    const again = await shell.run("sallyport routes import add.json --schemas conf/schemas/v1");
    expect([again.code, again.out, again.err]).toEqual([
      ...[1, "", `sallyport: ${shell.folder}/conf/schemas/v1/pets.add.json: already exists, and is not overwritten\n`],
    ]);
    const shown = await shell.run("cd conf && sallyport routes import ../add.json --schemas .");
    expect(shown.out).toContain('\nschema = "pets.add.json"\n');
    expect(await shell.run("ls conf")).toMatchObject({ out: "pets.add.json\npets.toml\nschemas\n" });
    const two = { openapi: "3.1.0", paths: { "/a": { post: { ...post, operationId: "a.first" } }, "/pets": { post } } };
    writeFileSync(join(shell.folder, "two.json"), JSON.stringify(two));
    expect((await shell.run("sallyport routes import two.json --out conf/two.toml --schemas conf")).code).toBe(1);
    expect((await shell.run("ls conf")).out).toBe("pets.add.json\npets.toml\nschemas\n");
    await shell.run("ln -s .. conf/link");
    const led = await shell.run("sallyport routes import add.json --out conf/b.toml --schemas conf/link");
    expect([led.code, led.err]).toEqual([1, expect.stringContaining("a symbolic link that leads out of the folder")]);
    expect((await shell.run("ls conf/b.toml")).code).not.toBe(0);
  }, 60_000);

  test.each([
    ["routes import nowhere.yaml", 2, "nowhere.yaml: cannot be read: ENOENT"],
    ["routes import .", 2, ": cannot be read: "],
    ["routes import swagger.json", 2, "swagger.json: the document is of Swagger 2.0; convert it"],
    ["routes import broken.yaml", 2, "broken.yaml: line 2, column 1: not JSON or YAML: "],
    ["routes import", 2, "FILE, the OpenAPI document, is missing"],
    ["routes import pets.yaml --json", 2, "--json is an option of sallyport routes FILE"],
    ["routes pets.toml --tag x", 2, "--tag is an option of sallyport routes import"],
    ["routes a.toml b.toml", 2, "only one FILE may stand beside the options"],
    ["routes import pets.yaml --base-path v1", 2, "--base-path starts with a slash"],
    ["routes pets.toml --schemas x", 2, "--schemas is an option of sallyport routes import"],
    ["routes import pets.yaml --schemas ..", 2, "--schemas is a folder below the folder of the configuration file"],
    ["routes import pets.yaml --schemas /nowhere", 2, "--schemas is a folder below the folder of the configuration file"],
    ["routes import pets.yaml --schemas s --out d/x.toml", 2, "--schemas is a folder below the folder of the configuration"],
    ["routes import pets.yaml --schemas 'a:b'", 2, "--schemas is a folder below the folder of the configuration file"],
    ["routes import pets.yaml --schemas pets.yaml/s", 1, "pets.yaml/s: cannot be written: "],
    ["routes import pets.yaml --out none/x.toml", 1, "/none/x.toml: cannot be written: ENOENT"],
    ["routes import pets.yaml --tag none", 1, "the document has no such operations"],
  ])(
    "sallyport %s ends with %d",
    async (line, code, problem) => {
      writeFileSync(join(shell.folder, "pets.yaml"), YAML);
      writeFileSync(join(shell.folder, "swagger.json"), '{"swagger":"2.0"}');
      writeFileSync(join(shell.folder, "broken.yaml"), "openapi: 3.0.0\n\t- x: [\n");
      const result = await shell.run(`sallyport ${line}`);
      expect(result.code).toBe(code);
      expect(result.err).toContain(problem);
      expect(result.err).not.toContain("    at ");
    },
    60_000,
  );
});
