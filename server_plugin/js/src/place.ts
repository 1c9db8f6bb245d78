/** Where in MLflow's pages the user is, read from the hash that its router keeps. */

export type Place =
  | { readonly kind: "run"; readonly experiment: string; readonly run: string }
  | { readonly kind: "model"; readonly experiment: string; readonly model: string }
  | { readonly kind: "version"; readonly name: string; readonly version: string }
  | { readonly kind: "experiment"; readonly experiment: string };

export interface Address {
  readonly place: Place;
  /** Whether the explanations are asked for, and not MLflow's own view. */
  readonly isOpen: boolean;
  /** What the explanations page wants to find again: settings of the dashboard. */
  readonly state: string;
}

// Run and model pages have tabs with a path of their own; other pages get a parameter.
const TAB = "explanations";
const STATE = "explanations-state";

/** The place of a hash such as `#/experiments/1/runs/abc/artifacts?workspace=x`; null where there is nothing for us. */
export function readAddress(hash: string): Address | null {
  const [path, query] = split(hash);
  const parameters = new URLSearchParams(query);
  const parts = path.split("/").filter((part) => part !== "").map(decode);
  const state = parameters.get(STATE) ?? "";
  const asked = parameters.get(TAB) === "1";
  const [first, id, second, inner, third] = parts;
  if (first === "experiments" && id !== undefined) {
    if ((second === "runs" || second === "evaluation-runs") && inner !== undefined) {
      return { place: { kind: "run", experiment: id, run: inner }, isOpen: third === TAB, state };
    }
    if (second === "models" && inner !== undefined) {
      return { place: { kind: "model", experiment: id, model: inner }, isOpen: third === TAB, state };
    }
    return { place: { kind: "experiment", experiment: id }, isOpen: asked, state };
  }
  if (first === "models" && id !== undefined && second === "versions" && inner !== undefined) {
    return { place: { kind: "version", name: id, version: inner }, isOpen: asked, state };
  }
  return null;
}

/** The hash of the same page with the explanations shown or not; other parameters (the workspace) stay. */
export function writeAddress(hash: string, isOpen: boolean, state = ""): string {
  const address = readAddress(hash);
  if (address === null) return hash;
  const [path, query] = split(hash);
  const parameters = new URLSearchParams(query);
  parameters.delete(TAB);
  parameters.delete(STATE);
  if (isOpen && state !== "") parameters.set(STATE, state);
  let target = path;
  if (address.place.kind === "run" || address.place.kind === "model") {
    const base = path.split("/").slice(0, 5).join("/");
    target = isOpen ? `${base}/${TAB}` : base;
  } else if (isOpen) {
    parameters.set(TAB, "1");
  }
  const written = parameters.toString();
  return `#${target}${written === "" ? "" : `?${written}`}`;
}

/** The parameters by which the explanations page knows its place. */
export function placeParameters(place: Place): URLSearchParams {
  return new URLSearchParams({ ...place });
}

/** The place that `placeParameters` wrote; null where parameters are missing. */
export function readPlace(parameters: URLSearchParams): Place | null {
  const get = (name: string): string => parameters.get(name) ?? "";
  switch (parameters.get("kind")) {
    case "run":
      return get("run") === "" ? null : { kind: "run", experiment: get("experiment"), run: get("run") };
    case "model":
      return get("model") === "" ? null : { kind: "model", experiment: get("experiment"), model: get("model") };
    case "version":
      return get("name") === "" ? null : { kind: "version", name: get("name"), version: get("version") };
    case "experiment":
      return get("experiment") === "" ? null : { kind: "experiment", experiment: get("experiment") };
    default:
      return null;
  }
}

function split(hash: string): [path: string, query: string] {
  const text = hash.replace(/^#/, "");
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
