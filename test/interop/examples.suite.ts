import { expect, test } from "bun:test";
import { Reader } from "../support/example/reader.ts";
import { PREPARE_TIMEOUT_MS } from "./toolchain.ts";

interface Example {
  readonly name: string;
  /** The programs that the page asks for, and the Debian packages that have them. */
  readonly programs: Readonly<Record<string, string>>;
  /** Calls of the service that need a token: a command, and what frameworks or PHP serve by themselves. */
  readonly calls: readonly string[];
}

const EXAMPLES: readonly Example[] = [
  {
    name: "fastapi",
    programs: { python3: "python3, python3-venv" },
    calls: ["GET /v2/rooms/lobby/messages", "GET /openapi.json", "GET /no-such-path"],
  },
  { name: "express", programs: { node: "nodejs", npm: "npm" }, calls: ["GET /shop/orders", "GET /backend.token"] },
  {
    name: "go",
    programs: { go: "golang", "redis-server": "redis-server", curl: "curl" },
    calls: ["GET /api/orders", "POST /website/users/ada/codes"],
  },
  { name: "php", programs: { php: "php-cli" }, calls: ["GET /api/notes", "GET /backend.token"] },
];

/** The services of proto/examples behind the gateway, as their pages say. After a wanted change: UPDATE_TRANSCRIPTS=1 writes the outputs. */
export function exampleSuite(): void {
  for (const example of EXAMPLES) {
    const missing = Object.entries({ ...example.programs, openssl: "openssl" }).filter(
      ([program]) => Bun.which(program) === null,
    );
    const isSkipped = missing.length > 0 && process.env["CI"] === undefined;
    const reason = isSkipped ? ` (skipped: install ${missing.map(([, packages]) => packages).join(", ")})` : "";
    const name = `${example.name}: the page works from its lines alone, and the service refuses callers without the token${reason}`;
    test.concurrent.skipIf(isSkipped)(name, () => follow(example), PREPARE_TIMEOUT_MS);
  }
}

async function follow({ name, calls }: Example): Promise<void> {
  const reader = await Reader.open(name);
  try {
    const { recorded, expected } = await reader.follow();
    expect(recorded).toBe(expected);
    const checked = await reader.run("sallyport config check --config sallyport.toml");
    expect(checked).toMatchObject({ code: 0, err: "" });
    expect(checked.out).not.toContain("warning");
    for (const call of calls) await refusesOthers(reader.serviceUrl, call);
  } finally {
    await reader.close();
  }
}

/** Nobody who reaches the port of the service can name a user. */
async function refusesOthers(url: string, call: string): Promise<void> {
  const [method = "", path = ""] = call.split(" ");
  const user = { "x-user-id": "somebody", "x-device-session-id": "ds-1", "idempotency-key": "key-0001" };
  for (const authorization of [undefined, "Bearer wrong", "Bearer ", "Bearer", ""]) {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { ...user, ...(authorization !== undefined && { authorization }) },
    });
    expect([call, authorization, answer.status]).toEqual([call, authorization, 401]);
  }
}
