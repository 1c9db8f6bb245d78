/** One document: its words tinted by what each occurrence did to the model's output. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useApp, useOutput, useSettings, useShown } from "../app";
import { Bars } from "../charts/bars";
import { extent } from "../charts/scale";
import { Prose, proseSvg, type Tinted } from "../components/prose";
import { Button, Check, Segmented, Slider } from "../components/controls";
import { Figure } from "../components/figure";
import { Message, Notice } from "../components/message";
import { RowPicker, useRowName } from "../components/rows";
import type { TableData } from "../lib/csv";
import { prose, shown } from "../lib/text";
import { type Document, pieces, type WordSum, wordSums } from "../model/documents";
import { definePanel, type Given } from "../panel";

export const textPanel = definePanel<"documents", "labels">({
  id: "text",
  title: "text.title",
  about: "text.about",
  group: "row",
  needs: ["documents"],
  wants: ["labels"],
  applies: (explanation) => explanation.hasTexts,
  component: TextPanel,
});

// A browser gets slow with hundreds of thousands of coloured words; more is shown on demand.
const MOST_WORDS = 2000;
const MOST_CHARACTERS = 40_000;
const MOST_LISTED = 50;

function TextPanel({ documents, labels }: Given<"documents", "labels">): JSX.Element {
  const { store, explanation, t } = useApp();
  const name = useRowName(labels);
  const { outputs } = explanation.info;
  const shownOutput = useOutput();
  const output = outputs.length > 1 ? outputs[shownOutput] : null;
  const chosen = useShown((state) => state.row);
  const topK = useShown((state) => state.topK);
  const [settings, set] = useSettings<{ tint: string; sentences: boolean }>("text", {
    tint: "importance",
    sentences: true,
  });
  const { rows } = documents;
  const row = chosen ?? (rows.count > 0 ? rows.position(0) : null);
  const place = row === null ? -1 : rows.find(row);
  const document = useMemo(() => (place < 0 ? null : documents.at(place)), [documents, place]);
  const weighted = document?.sentences.some(({ weight }) => weight !== null) ?? false;
  const byAttention = settings.tint === "attention" && document?.weights != null;
  const most = Math.min(topK, MOST_LISTED);
  return (
    <>
      <div class="xd-controls">
        <RowPicker rows={rows} value={row} onChange={(next) => store.set({ row: next })} label={t("row.number")} />
        {document?.weights != null && (
          <Segmented
            label={t("text.tint")}
            value={byAttention ? "attention" : "importance"}
            choices={[
              { value: "importance", label: t("local.importance") },
              { value: "attention", label: t("text.attention") },
            ]}
            onChange={(tint) => set({ tint })}
          />
        )}
        <Slider
          label={t("text.topCount")}
          min={1}
          max={MOST_LISTED}
          value={most}
          onChange={(next) => store.set({ topK: next })}
        />
        {weighted && (
          <Check
            label={t("text.sentences")}
            checked={settings.sentences}
            onChange={(sentences) => set({ sentences })}
          />
        )}
      </div>
      {row === null && <Message>{t("chart.empty")}</Message>}
      {row !== null && document === null && <Message>{t("row.notHere", { n: row })}</Message>}
      {row !== null && document !== null && (
        <TextFigure
          key={row}
          document={document}
          title={output === null ? name(row) : `${name(row)}: ${shown(output, 60)}`}
          byAttention={byAttention}
          sentences={settings.sentences && weighted}
          listed={most}
        />
      )}
    </>
  );
}

interface TextFigureProps {
  document: Document;
  title: string;
  byAttention: boolean;
  sentences: boolean;
  listed: number;
}

function TextFigure({ document, title, byAttention, sentences, listed }: TextFigureProps): JSX.Element {
  const { explanation, t, format } = useApp();
  const output = useOutput();
  const [whole, setWhole] = useState(false);
  const { tokens, text, weights } = document;
  const { outputSpace } = explanation.info;
  const values = useMemo(() => document.values(output), [document, output]);
  const sums = useMemo(() => wordSums(tokens, values), [tokens, values]);
  const tinted = useMemo((): Tinted => {
    const given = byAttention && weights !== null ? weights : values;
    const shownPieces = whole ? pieces(document) : pieces(document, MOST_WORDS, MOST_CHARACTERS);
    return {
      document,
      pieces: sentences ? shownPieces : shownPieces.map((piece) => ({ ...piece, sentence: -1 })),
      values: given,
      most: extent(given.map(Math.abs))[1],
      plain: byAttention,
    };
  }, [document, values, weights, byAttention, sentences, whole]);
  const there = tinted.pieces.reduce((count, { token }) => count + Number(token >= 0), 0);
  const isCut = tinted.pieces.length > 0 && tinted.pieces[tinted.pieces.length - 1].end < text.length;
  const signed = format.series(values, true);
  const facts = (token: number): [string, string][] => {
    const sum = sums.find(({ word }) => word === tokens[token].word);
    const found: [string, string][] = [[t("local.importance"), signed(values[token])]];
    if (sum !== undefined && sum.count > 1) found.push([`${t("text.sum")} (${sum.count})`, signed(sum.value)]);
    if (weights !== null) found.push([t("text.attention"), format.number(weights[token])]);
    return found;
  };
  return (
    <div class="xd-split">
      <Figure
        title={title}
        notes={[
          tokens.length === 0 && t("text.empty"),
          outputSpace !== undefined && t("local.unit", { space: shown(outputSpace, 40) }),
        ]}
        table={() => tableOf(document, values, sums, explanation.features, t)}
        svg={(frame) => proseSvg(frame, title, tinted)}
        legend={<Key plain={byAttention} />}
      >
        <Prose tinted={tinted} label={title} facts={facts} />
        {isCut && (
          <Notice
            action={
              <Button kind="quiet" onClick={() => setWhole(true)}>
                {t("text.all")}
              </Button>
            }
          >
            {t("text.first", { n: there, total: tokens.length })}
          </Notice>
        )}
      </Figure>
      <TopWords sums={sums.filter(({ value }) => value !== 0).slice(0, listed)} />
    </div>
  );
}

function Key({ plain }: { plain: boolean }): JSX.Element {
  const { t } = useApp();
  if (plain) {
    return (
      <div class="xd-legend">
        <span class="xd-swatch">
          <i class="xd-tone-plain" />
          {t("text.attention")}
        </span>
      </div>
    );
  }
  return (
    <div class="xd-legend">
      <span class="xd-swatch">
        <i class="xd-tone-positive" />
        {t("text.raises")}
      </span>
      <span class="xd-swatch">
        <i class="xd-tone-negative" />
        {t("text.lowers")}
      </span>
    </div>
  );
}

/** The document's words with their occurrences added up. */
function TopWords({ sums }: { sums: readonly WordSum[] }): JSX.Element {
  const { explanation, t, format } = useApp();
  const text = format.series(
    sums.map(({ value }) => value),
    true,
  );
  return (
    <aside class="xd-card" aria-label={t("text.top")}>
      <h3 class="xd-card-title">{t("text.top")}</h3>
      {sums.length === 0 && <p class="xd-note">{t("chart.empty")}</p>}
      <Bars
        label={t("text.top")}
        rows={sums.map(({ word, value, count }) => ({
          key: String(word),
          name: explanation.features[word],
          detail: count > 1 ? `×${format.integer(count)}` : undefined,
          from: 0,
          to: value,
          value,
          text: text(value),
          tone: value < 0 ? "negative" : "positive",
        }))}
      />
    </aside>
  );
}

/** Every occurrence in the order of the text. */
function tableOf(
  { text, tokens, weights, sentences }: Document,
  values: ArrayLike<number>,
  sums: readonly WordSum[],
  features: readonly string[],
  t: ReturnType<typeof useApp>["t"],
): TableData {
  const bySum = new Map(sums.map(({ word, value }) => [word, value]));
  let sentence = -1;
  const inSentence = (start: number): (number | null)[] => {
    while (sentence + 1 < sentences.length && sentences[sentence + 1].start <= start) sentence++;
    const found = sentence >= 0 && start < sentences[sentence].end ? sentences[sentence] : null;
    return [found === null ? null : sentence + 1, found?.weight ?? null];
  };
  const hasSentences = sentences.length > 0;
  return {
    columns: [
      t("text.word"),
      t("local.feature"),
      t("local.importance"),
      t("text.sum"),
      ...(weights === null ? [] : [t("text.attention")]),
      ...(hasSentences ? [t("text.sentence"), t("text.sentenceWeight")] : []),
    ],
    rows: tokens.map(({ start, end, word }, i) => [
      prose(text.slice(start, end)),
      features[word],
      values[i],
      bySum.get(word) ?? null,
      ...(weights === null ? [] : [weights[i]]),
      ...(hasSentences ? inSentence(start) : []),
    ]),
  };
}
