import { BURST_MAX, RATE_MAX } from "./routes.ts";
import { type Setting, setting } from "./setting.ts";
import { boolean, int, positive } from "./values.ts";

/** What a budget limits, as the parts of a sentence: `noun` "login codes", `predicate` "are sent to one e-mail address". */
interface Limited {
  readonly name: string;
  readonly noun: string;
  readonly predicate: string;
  /** The unit in which the budget counts, such as "requests". */
  readonly unit: string;
  /** Sentences that are added to the description of the rate, and to the description of the burst. */
  readonly more?: string;
}

const SHARED_ADDRESS = "An IPv6 /64 network counts as one address. Raise the value if many devices share an address.";

const IP: Limited = {
  name: "ip",
  noun: "commands and subscriptions",
  predicate: "are accepted from one client address",
  unit: "requests",
  more: SHARED_ADDRESS,
};
const SESSION: Limited = {
  name: "session",
  noun: "commands and subscriptions",
  predicate: "are accepted from one device session",
  unit: "requests",
};
const USER: Limited = {
  name: "user",
  noun: "commands and subscriptions",
  predicate: "are accepted from one user",
  unit: "requests",
  more: "All device sessions of the user share the budget.",
};
const FAILURES: Limited = {
  name: "failures",
  noun: "failed requests",
  predicate: "are tolerated from one client address",
  unit: "failed requests",
  more: `Failed requests are requests that cannot be decoded or that a check refuses. If an address exceeds the budget, all its requests are refused before they are read. Exception: a device session has a separate budget for failed requests if the session recently sent a verified request from this address. ${SHARED_ADDRESS}`,
};
const PUBLIC_AUTH: Limited = {
  name: "public_auth",
  noun: "login calls",
  predicate: "are accepted from one client address",
  unit: "calls",
  more: `Login calls are \`send-email-code\` and \`confirm-email-code\`. Calls of other rows of \`public_routes\` also use this budget, unless the row has \`budget\` or \`class = "public_misc"\`. ${SHARED_ADDRESS}`,
};
const PUBLIC_MISC: Limited = {
  name: "public_misc",
  noun: "requests for public keys",
  predicate: "are accepted from one client address",
  unit: "requests",
  more: `The gateway serves its public keys at \`GET /.well-known/jwks.json\`. Two other kinds of requests also use this budget: requests to the playground, and calls of rows of \`public_routes\` with \`class = "public_misc"\`. ${SHARED_ADDRESS}`,
};
const SEND_CODE: Limited = {
  name: "send_code",
  noun: "login codes",
  predicate: "are sent to one e-mail address",
  unit: "codes",
  more: "By default, the rate is one code per minute.",
};
const CONFIRM_CODE: Limited = {
  name: "confirm_code",
  noun: "login codes",
  predicate: "are checked for one challenge",
  unit: "checks",
  more: "A challenge is a login that waits for the code from the e-mail. The rate and the burst together limit the chance to guess the code.",
};

function rate(perSecond: number, { noun, predicate, unit, more }: Limited): Setting<number> {
  const doc = `Rate at which ${noun} ${predicate}, in ${unit} per second (long-term average).`;
  return setting(positive("tokens a second", RATE_MAX), perSecond, sentences(doc, more));
}

function burst(tokens: number, { name, noun, predicate, more }: Limited): Setting<number> {
  const doc = `Maximum number of ${noun} that ${predicate} in one burst. After the burst, the limit is \`budgets.${name}.rate\`.`;
  return setting(int("tokens", 1, BURST_MAX), tokens, sentences(doc, more));
}

function shadow({ name }: Limited): Setting<boolean> {
  const doc = `Shadow mode of the budget \`budgets.${name}\`. \`true\`: requests that exceed the budget are counted and logged, but not refused. \`false\`: requests that exceed the budget are refused. Use \`true\` to test a new rate or a new burst.`;
  return setting(boolean, false, doc);
}

function sentences(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(" ");
}

/** The settings of budgets. SIGHUP reloads them without a restart. */
export const BUDGET_SETTINGS = {
  "budgets.ip.rate": rate(50, IP),
  "budgets.ip.burst": burst(100, IP),
  "budgets.ip.shadow": shadow(IP),
  "budgets.session.rate": rate(10, SESSION),
  "budgets.session.burst": burst(20, SESSION),
  "budgets.session.shadow": shadow(SESSION),
  "budgets.user.rate": rate(20, USER),
  "budgets.user.burst": burst(40, USER),
  "budgets.user.shadow": shadow(USER),
  "budgets.failures.rate": rate(1, FAILURES),
  "budgets.failures.burst": burst(20, FAILURES),
  "budgets.failures.shadow": shadow(FAILURES),
  "budgets.public_auth.rate": rate(1, PUBLIC_AUTH),
  "budgets.public_auth.burst": burst(5, PUBLIC_AUTH),
  "budgets.public_auth.shadow": shadow(PUBLIC_AUTH),
  "budgets.public_misc.rate": rate(10, PUBLIC_MISC),
  "budgets.public_misc.burst": burst(20, PUBLIC_MISC),
  "budgets.public_misc.shadow": shadow(PUBLIC_MISC),
  "budgets.send_code.rate": rate(1 / 60, SEND_CODE),
  "budgets.send_code.burst": burst(3, SEND_CODE),
  "budgets.send_code.shadow": shadow(SEND_CODE),
  "budgets.confirm_code.rate": rate(0.1, CONFIRM_CODE),
  "budgets.confirm_code.burst": burst(5, CONFIRM_CODE),
  "budgets.confirm_code.shadow": shadow(CONFIRM_CODE),
} as const;
