import { resolveConfig } from "../config/load.ts";
import { type ReportedRoute, reportRoutes } from "../config/route-report.ts";
import { tomlText } from "../config/toml-text.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import type { Output } from "./output/output.ts";
import { printable } from "./output/printable.ts";
import { SERVE_DEFAULTS } from "./serve-defaults.ts";

/** The columns of the table, in order. A column whose cells are all empty is left out. */
const COLUMNS: Readonly<Record<string, (route: ReportedRoute) => string>> = {
  method: ({ method }) => method,
  path: ({ path }) => path,
  "backend path": ({ path, backend_path }) => (path === backend_path ? "" : backend_path),
  payload: ({ payload }) => payload,
  timeout: ({ timeout_ms }) => `${timeout_ms} ms`,
  "max. request": ({ request_bytes_max }) => `${request_bytes_max} B`,
  "max. answer": ({ response_bytes_max }) => `${response_bytes_max} B`,
  budget: ({ budget }) => (typeof budget === "string" ? budget : budget === undefined ? "" : tomlText(budget)),
  "further fields": ({ options }) =>
    Object.entries(options)
      .map(([name, value]) => `${name} = ${tomlText(value)}`)
      .join(", "),
  "written in": ({ source }) => source,
};

/**
 * `sallyport routes`: prints the route table that the gateway uses. If the configuration is invalid, prints only its problems, to
 * standard error.
 */
export async function printRoutes(argv: readonly string[], output: Output, isJson: boolean): Promise<ExitCode> {
  const resolution = resolveConfig({ argv, overrides: SERVE_DEFAULTS });
  const { problems } = resolution;
  for (const problem of problems) output.note(`${output.noteStyle.bad("error".padEnd(7))}  ${printable(problem)}`);
  if (problems.length > 0) return EXIT.usage;
  const report = reportRoutes(resolution);
  if (isJson) {
    await output.json(JSON.stringify({ ...report, routes: report.routes.map(withMessageType) }));
    return EXIT.done;
  }
  const { backend, routes, public_routes } = report;
  await output.write(`backend: ${backend.length === 0 ? "not set" : backend.join(", ")}\n\n`);
  await output.write(tableOf("message type", routes, output));
  await output.write(`\n${tableOf("public route", public_routes, output)}`);
  return EXIT.done;
}

function withMessageType({ name, ...route }: ReportedRoute): object {
  return { message_type: name, ...route };
}

/** Returns the routes as a text table. `first` is the title of its first column. Without routes, returns `no <first>s`. */
function tableOf(first: string, routes: readonly ReportedRoute[], { style }: Output): string {
  if (routes.length === 0) return `no ${first}s\n`;
  const columns = [[first, ({ name }: ReportedRoute) => name] as const, ...Object.entries(COLUMNS)]
    .map(([title, cell]) => ({ title, cells: routes.map((route) => printable(cell(route))) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""))
    .map(({ title, cells }) => ({ title, cells, width: Math.max(title.length, ...cells.map(({ length }) => length)) }));
  const line = (textOf: (column: (typeof columns)[number]) => string) =>
    columns
      .map((column) => textOf(column).padEnd(column.width))
      .join("  ")
      .trimEnd();
  const rows = routes.map((_, index) => line(({ cells }) => cells[index] ?? ""));
  return [style.faint(line(({ title }) => title)), ...rows].map((each) => `${each}\n`).join("");
}
