/** What this page shows, as a text for the address: so that a link leads back to the same view. */

export interface Route {
  /** The explanation that is open: its run and id; empty for the list. */
  readonly run: string;
  readonly id: string;
  /** One that it is compared with; empty for none. */
  readonly otherRun: string;
  readonly otherId: string;
  /** The dashboard's own state. */
  readonly dashboard: string;
}

export const START: Route = { run: "", id: "", otherRun: "", otherId: "", dashboard: "" };

const NAMES: readonly (readonly [keyof Route, string])[] = [
  ["run", "r"],
  ["id", "e"],
  ["otherRun", "r2"],
  ["otherId", "e2"],
  ["dashboard", "d"],
];

export function writeRoute(route: Route): string {
  const parameters = new URLSearchParams();
  for (const [name, short] of NAMES) if (route[name] !== "") parameters.set(short, route[name]);
  return parameters.toString();
}

export function readRoute(text: string): Route {
  const parameters = new URLSearchParams(text);
  const read = (short: string): string => parameters.get(short) ?? "";
  return { run: read("r"), id: read("e"), otherRun: read("r2"), otherId: read("e2"), dashboard: read("d") };
}
