/** What drifted from one explanation to another: the verdict, and how the importances of a feature are spread in both. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { useApp, useLoaded, useOutput, useShown } from "../app";
import { type Domain, extent, numberDomain } from "../charts/scale";
import { type Band, Spread } from "../charts/spread";
import { Figure } from "../components/figure";
import { Notice } from "../components/message";
import type { TableData } from "../lib/csv";
import { shown } from "../lib/text";
import {
  distances,
  type Drift,
  type Incomparable,
  judged,
  LIMITS,
  type NoDistances,
  obstacle,
  type Pair,
  sharedOutputs,
  standings,
} from "../model/drift";
import type { Explanation, Figures } from "../model/explanation";
import type { Local } from "../model/local";
import { message } from "../model/manifest";
import { figuresFrom } from "../model/stats";

export interface Measured {
  /** Null where nothing can be compared. */
  readonly found: Drift | null;
  readonly incomparable: Incomparable | null;
  /** Whether it is known what chance may do: what moved is known only then. */
  readonly judged: boolean;
  /** The local importances, where they can be compared. */
  readonly locals: Pair<Local> | null;
  readonly why: readonly [NoDistances, number] | null;
  readonly problem: string | null;
}

/** What drifted: at once by shares and ranks, and with the distances as soon as the local importances are read. */
export function useDrift(pair: Pair<Explanation>): Measured {
  const all = useShown((state) => state.allRows);
  const standing = useMemo(() => standings(pair), [...pair]);
  const loaded = useLoaded(async () => {
    if (typeof standing === "string") return null;
    const read = (explanation: Explanation): Promise<Local | null> =>
      explanation.has("local", all) ? explanation.load("local", all) : Promise.resolve(null);
    const locals = (await Promise.all(pair.map(read))) as unknown as Pair<Local | null>;
    const why = obstacle(pair, locals);
    if (why !== null) return { found: judged(standing, new Map()), why, locals: null };
    const known = locals as Pair<Local>;
    return { found: judged(standing, await distances(pair, known, standing)), why, locals: known };
  }, [standing, all]);
  const ready = loaded.status === "ready" ? loaded.value : null;
  const quick = useMemo(() => (typeof standing === "string" ? null : judged(standing, new Map())), [standing]);
  return {
    found: ready?.found ?? quick,
    incomparable: typeof standing === "string" ? standing : null,
    judged: loaded.status !== "loading",
    locals: ready?.locals ?? null,
    why: ready?.why ?? null,
    problem: loaded.status === "failed" ? message(loaded.error) : null,
  };
}

interface VerdictProps {
  drift: Measured;
  pair: Pair<Explanation>;
  names: readonly [string, string];
}

/** Three figures that answer whether anything happened, and what could not be compared. */
export function Verdict({ drift, pair, names }: VerdictProps): JSX.Element | null {
  const { t, format } = useApp();
  const { found, incomparable, why, problem } = drift;
  if (incomparable === "need.global") return null;
  if (found === null) return incomparable && <Notice>{t(incomparable)}</Notice>;
  const notes = notesOf(drift, pair, names, t);
  const limits = { limit: format.number(LIMITS.ndcg), change: format.percent(LIMITS.change) };
  const tested = why === null && problem === null;
  return (
    <>
      <dl class="xd-tiles" aria-busy={!drift.judged}>
        <Tile name={t("drift.verdict")} note={t("drift.verdictNote")} alarming={drift.judged && found.drifted}>
          {drift.judged ? t(found.drifted ? "drift.yes" : "drift.no") : "…"}
        </Tile>
        <Tile name={t("drift.moved")} note={t(tested ? "drift.movedNote" : "drift.movedUntested", limits)}>
          {drift.judged ? (
            <span data-value={found.moved}>{t("drift.of", { n: found.moved, total: found.features.length })}</span>
          ) : (
            "…"
          )}
        </Tile>
        <Tile name={t("drift.ndcg")} note={t("drift.ndcgNote", limits)}>
          <span data-value={found.ndcg}>{format.fixed(found.ndcg, 3)}</span>
        </Tile>
      </dl>
      {notes.length > 0 && (
        <Notice>
          {notes.map((note) => (
            <span key={note} class="xd-notice-line">
              {note}
            </span>
          ))}
        </Notice>
      )}
    </>
  );
}

function Tile({ name, note, alarming, children }: { name: string; note: string; alarming?: boolean; children: JSX.Element | string }): JSX.Element {
  return (
    <div class={`xd-tile ${alarming ? "xd-tile-alarming" : ""}`}>
      <dt>{name}</dt>
      <dd class="xd-tile-value">{children}</dd>
      <dd class="xd-tile-note">{note}</dd>
    </div>
  );
}

/** What could not be compared, and what of the change may have other reasons. */
function notesOf(drift: Measured, pair: Pair<Explanation>, names: readonly [string, string], t: ReturnType<typeof useApp>["t"]): string[] {
  const notes: string[] = [];
  const name = (i: number): string => shown(names[i], 60);
  if (drift.problem !== null) notes.push(t("drift.notCompared", { why: drift.problem }));
  if (drift.why !== null) notes.push(t("drift.notCompared", { why: t(drift.why[0], { name: name(drift.why[1]) }) }));
  pair.forEach(({ global, info }, i) => {
    if (global !== null && global.kept < info.nFeatures) notes.push(t("drift.cut", { name: name(i), n: global.kept }));
  });
  if (pair[0].info.method !== pair[1].info.method) notes.push(t("drift.methods"));
  drift.locals?.forEach(({ rows }, i) => {
    if (rows.isSample) notes.push(t("drift.sampled", { n: rows.count, total: rows.total, name: name(i) }));
  });
  return notes;
}

interface SpreadsProps {
  pair: Pair<Explanation>;
  names: readonly [string, string];
  locals: Pair<Local>;
  feature: string;
}

/** The importances of one feature in the baseline above those in the other explanation. */
export function Spreads({ pair, names, locals, feature }: SpreadsProps): JSX.Element | null {
  const { explanation, t, format } = useApp();
  const output = useOutput();
  const { outputs } = explanation.info;
  const shared = sharedOutputs(pair);
  const side = pair[0] === explanation ? 0 : 1;
  const used = shared.find((each) => each[side] === output) ?? shared[0];
  const places = pair.map(({ features }) => features.indexOf(feature));
  const there = locals.every((local, i) => local.has(places[i]));
  const bands = useMemo<Band[]>(
    () =>
      there
        ? locals.map((local, i) => {
            const values = local.values(used[i], places[i]);
            return { name: shown(names[i], 60), values, shades: null, figures: figuresFrom(values) };
          })
        : [],
    [...locals, feature, used[0], used[1], ...names],
  );
  const x = useMemo<Domain>(() => {
    const ends = bands.flatMap(({ values }) => extent(values));
    return numberDomain(Math.min(0, ...ends), Math.max(0, ...ends));
  }, [bands]);
  if (!there) return null;
  const keys = ["meanAbs", "mean", "std", "min", "q05", "q25", "q50", "q75", "q95", "max"] as const;
  const heads = [
    ...(["meanAbs", "mean", "std", "min"] as const).map((key) => t(`figures.${key}`)),
    ...[0.05, 0.25, 0.5, 0.75, 0.95].map((share) => format.percent(share)),
    t("figures.max"),
  ];
  const spread = t("drift.spread", { name: shown(feature, 60) });
  const title = outputs.length > 1 ? `${spread}: ${shown(pair[0].info.outputs[used[0]], 40)}` : spread;
  const figures = (band: number): Figures => bands[band].figures as Figures;
  const table = (): TableData => ({
    columns: [t("info.comment"), ...heads],
    rows: bands.map(({ name }, band) => [name, ...keys.map((key) => figures(band)[key])]),
  });
  return (
    <Figure title={title} notes={[t("summary.boxNote")]} table={table}>
      <Spread
        bands={bands}
        kind="violin"
        x={x}
        xLabel={t("summary.direction")}
        label={title}
        mask={null}
        selected={-1}
        describe={() => ({ title: "", facts: [] })}
        describeBand={(band) => ({
          title: bands[band].name,
          facts: keys.map((key, i) => [heads[i], format.number(figures(band)[key])]),
        })}
        onSelect={() => undefined}
      />
    </Figure>
  );
}

