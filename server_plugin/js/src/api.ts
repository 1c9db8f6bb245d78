/** MLflow's own endpoints, asked as its pages ask them: what the user may not read, the server does not answer. */

import type { Source } from "../../../explanation_client/dashboard/js/src/host";

export interface Run {
  readonly id: string;
  readonly name: string;
  readonly experiment: string;
  readonly started: number;
  readonly tags: ReadonlyMap<string, string>;
}

/** A page of runs that have explanations, newest first; `next` is empty on the last one. */
export interface RunPage {
  readonly runs: readonly Run[];
  readonly next: string;
}

/** The server refused, or did not answer as MLflow does; the message is for the user. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const PAGE = 100;
const HAS_EXPLANATIONS = "tags.`explanations.latest` LIKE '%'";
// Files that a page asks for at once are small; one larger than this was never written by the client.
const MOST_BYTES = 1024 * 1024 * 1024;

export class Api {
  /** Where MLflow answers: two folders above the static files of this page, below any prefix. */
  readonly root: URL;
  readonly #headers: Record<string, string>;

  constructor(page: string, workspace: string | null) {
    this.root = new URL("../../", page);
    this.#headers = workspace ? { "X-MLFLOW-WORKSPACE": workspace } : {};
  }

  async run(id: string): Promise<Run> {
    const answer = await this.#json(`ajax-api/2.0/mlflow/runs/get?${new URLSearchParams({ run_id: id })}`);
    return readRun(answer.run);
  }

  async runs(experiment: string, token: string, filter = HAS_EXPLANATIONS): Promise<RunPage> {
    const body = { experiment_ids: [experiment], filter, max_results: PAGE, page_token: token, order_by: ["attributes.start_time DESC"] };
    const answer = await this.#json("ajax-api/2.0/mlflow/runs/search", body);
    return { runs: list(answer.runs).map(readRun), next: text(answer.next_page_token) };
  }

  /** The tags of a logged model, and the run that it came from. */
  async model(id: string): Promise<{ readonly tags: ReadonlyMap<string, string>; readonly run: string }> {
    const answer = await this.#json(`ajax-api/2.0/mlflow/logged-models/${encodeURIComponent(id)}`);
    const info = object(object(answer.model).info);
    return { tags: readTags(info.tags), run: text(info.source_run_id) };
  }

  /** The run of a model version, and the logged model that it was made of; either may be empty. */
  async version(name: string, version: string): Promise<{ readonly run: string; readonly model: string }> {
    const answer = await this.#json(`ajax-api/2.0/mlflow/model-versions/get?${new URLSearchParams({ name, version })}`);
    const found = object(answer.model_version);
    const made = /^models:\/(m-[0-9a-f]+)/.exec(text(found.source));
    return { run: text(found.run_id), model: text(found.model_id) || (made?.[1] ?? "") };
  }

  /** The files of an explanation of a run. */
  source(run: string, explanation: string, manifest: string, label: string): Source {
    const read = (name: string): Promise<Uint8Array> => this.#file(run, `explanations/${explanation}/${name}`);
    return { label, manifest: () => read(manifest), read };
  }

  async #file(run: string, path: string): Promise<Uint8Array> {
    const response = await this.#ask(`get-artifact?${new URLSearchParams({ path, run_uuid: run })}`, {});
    if (Number(response.headers.get("Content-Length") ?? 0) > MOST_BYTES) throw new ApiError(413, `${path} is too large for a browser`);
    return new Uint8Array(await response.arrayBuffer());
  }

  async #json(path: string, body?: object): Promise<Record<string, unknown>> {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    const response = await this.#ask(path, init);
    try {
      return object(await response.json());
    } catch (error) {
      throw new ApiError(response.status, "The server gave no answer of MLflow", { cause: error });
    }
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(new URL(path, this.root), { ...init, credentials: "same-origin", headers: { ...this.#headers, ...init.headers } });
    } catch (error) {
      throw new ApiError(0, "The tracking server can't be reached", { cause: error });
    }
    if (response.ok) return response;
    throw new ApiError(response.status, await reason(response));
  }
}

async function reason(response: Response): Promise<string> {
  if (response.status === 401) return "You are not signed in";
  if (response.status === 403) return "You have no permission to read this";
  const said = await response.text();
  try {
    return text(object(JSON.parse(said)).message).slice(0, 300) || `The server answered ${response.status}`;
  } catch {
    return `The server answered ${response.status}`;
  }
}

function readRun(found: unknown): Run {
  const run = object(found);
  const info = object(run.info);
  const tags = readTags(object(run.data ?? {}).tags);
  return {
    id: text(info.run_id),
    name: text(info.run_name) || tags.get("mlflow.runName") || text(info.run_id),
    experiment: text(info.experiment_id),
    started: Number(info.start_time) || 0,
    tags,
  };
}

function readTags(found: unknown): ReadonlyMap<string, string> {
  return new Map(list(found).map((tag) => [text(object(tag).key), text(object(tag).value)]));
}

function object(found: unknown): Record<string, unknown> {
  if (typeof found !== "object" || found === null) throw new ApiError(0, "The server gave no answer of MLflow");
  return found as Record<string, unknown>;
}

function list(found: unknown): readonly unknown[] {
  return Array.isArray(found) ? found : [];
}

function text(found: unknown): string {
  return typeof found === "string" ? found : typeof found === "number" ? String(found) : "";
}
