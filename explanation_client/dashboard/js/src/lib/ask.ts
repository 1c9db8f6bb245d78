/** Asking the live model: once a moment has passed without a change, and only for what was asked last. */

import { useEffect, useState } from "preact/hooks";
import type { Answer, Model, Question, Value } from "../host";
import type { Column } from "../model/columns";

export type Asked =
  | { readonly status: "asking"; readonly done: number; readonly answers: readonly Answer[] | null }
  | { readonly status: "answered"; readonly answers: readonly Answer[] }
  | { readonly status: "failed"; readonly error: string; readonly answers: readonly Answer[] | null };

// Long enough for somebody who types a number, short enough to feel like an answer.
const MOMENT = 250;

/** Returns the model's answers to some questions; while new ones are awaited, the last answers and how many are done. */
export function useAnswers(model: Model | undefined, questions: readonly Question[], batch = 16): Asked {
  const key = JSON.stringify(questions);
  const [found, setFound] = useState<{ key: string; asked: Asked }>({ key: "", asked: { status: "asking", done: 0, answers: null } });
  useEffect(() => {
    if (model === undefined || questions.length === 0) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const settle = (asked: Asked): void => {
        if (!stop.signal.aborted) setFound((before) => ({ key, asked: asked.status === "answered" ? asked : { ...asked, answers: before.asked.answers } }));
      };
      askAll(model, questions, batch, stop.signal, (done) => settle({ status: "asking", done, answers: null })).then(
        (answers) => settle({ status: "answered", answers }),
        (error: unknown) => settle({ status: "failed", error: error instanceof Error ? error.message : String(error), answers: null }),
      );
    }, MOMENT);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [model, key, batch]);
  return found.key === key || found.asked.status === "failed" ? found.asked : { status: "asking", done: 0, answers: found.asked.answers };
}

async function askAll(model: Model, questions: readonly Question[], batch: number, signal: AbortSignal, progress: (done: number) => void): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  while (answers.length < questions.length && !signal.aborted) {
    progress(answers.length);
    answers.push(...(await model.predict(questions.slice(answers.length, answers.length + batch), signal)));
  }
  return answers;
}

/** Returns a drawn number of a column as the model's column has it: a category's name, a truth value, a whole number. */
export function valueOf(column: Column, drawn: number): Value {
  if (Number.isNaN(drawn)) return null;
  if (column.kind === "category") {
    const name = column.categories[drawn] ?? null;
    return column.dtype === "bool" && name !== null ? name === "true" : name;
  }
  return isWhole(column) ? Math.round(drawn) : drawn;
}

/** Whether a column holds whole numbers only, by its type. */
export function isWhole(column: Column): boolean {
  return /^u?int\d*$/.test(column.dtype);
}
