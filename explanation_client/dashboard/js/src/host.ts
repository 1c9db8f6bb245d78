/**
 * What the front end asks of whoever shows it: a notebook widget, a self-contained page, a local server, MLflow's page.
 *
 * The front end reads the files of the stored format (docs/format-v1.md) and nothing else, so that one reader serves all
 * hosts. Everything that comes through these interfaces is untrusted: names, comments, classes and values of others.
 */

/** The files of one stored explanation. */
export interface Source {
  /** What tells it from others where several are shown: a run's name, a comment. May be empty. */
  readonly label: string;
  /** The bytes of the manifest. */
  manifest(): Promise<Uint8Array>;
  /** The bytes of the data file of that name, as the manifest lists it. Rejects where it can't be had. */
  read(name: string): Promise<Uint8Array>;
  /** Whether `read` can give that file: a page may hold only the sample. Absent: every file of the manifest. */
  has?(name: string): boolean;
}

/** A value of a column of the explained rows. */
export type Value = number | string | boolean | null;

/** Ask the model about one explained row, as it is or with some values changed. */
export interface Question {
  /** Position of the row among the explained rows. */
  readonly row: number;
  /** New values by column name; columns that are not named keep the row's own value, to the last bit. */
  readonly edits: Readonly<Record<string, Value>>;
  /** Also vary one column over these values, one prediction for each (individual conditional expectation). */
  readonly grid?: { readonly column: string; readonly values: readonly Value[] };
  /** Also compute the local importances of the edited row. */
  readonly explain?: boolean;
}

/** The model's answer. C outputs, in the order of the explanation's. */
export interface Answer {
  /** (1, C), or (grid values, C): probabilities, or one predicted value. */
  readonly predictions: readonly (readonly number[])[];
  /** Local importances (C, F) and base values (C,) of the edited row, where asked for and possible. */
  readonly local?: { readonly values: readonly (readonly number[])[]; readonly base: readonly number[] };
  /** Why there are no local importances though they were asked for, in a sentence for the user. */
  readonly note?: string;
}

/** A live model. */
export interface Model {
  /** Answers in the order of the questions. Rejects with an Error whose message is for the user. */
  predict(questions: readonly Question[], signal: AbortSignal): Promise<readonly Answer[]>;
}

export interface Host {
  /** The explanation shown, then others to compare it with. */
  readonly sources: readonly [Source, ...Source[]];
  /** Absent: the model is not at hand, and panels that need it say how to get it. */
  readonly model?: Model;
  /** Why there is no model, or what to do to have one: a sentence, and code to copy. */
  readonly modelHint?: { readonly text: string; readonly code?: string };
  /** Whether the page may offer downloads; where it may not (a sandboxed frame), text is offered for copying. */
  readonly canDownload: boolean;
}

export interface Options {
  /** "auto" follows the browser's preference. */
  readonly theme?: "light" | "dark" | "auto";
  /** A language tag; by default the browser's, then English. */
  readonly language?: string;
  /** What `onState` gave earlier: the panel, selection and settings to begin with. */
  readonly state?: string;
  /** Called with an opaque short string when what is shown changes: for a link that can be shared. */
  readonly onState?: (state: string) => void;
}

/** Show the dashboard inside `element`, which may lie in a shadow root; returns a function that takes it away again. */
export type Mount = (element: HTMLElement, host: Host, options?: Options) => () => void;
