/** What is explained: name, facts, the class that is shown, and the theme. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useApp, useLoaded, useOutput, useShown } from "../app";
import { IconButton, Segmented, Select } from "../components/controls";
import { Name } from "../components/name";
import { shown } from "../lib/text";
import type { Info } from "../model/manifest";

const THEMES = ["auto", "light", "dark"] as const;

export function Header(): JSX.Element {
  const { store, explanation, t } = useApp();
  const { info, label } = explanation;
  const output = useOutput();
  const theme = useShown((state) => state.theme);
  const [open, setOpen] = useState(false);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const facts = useFacts(info);
  return (
    <header class="xd-header">
      <div class="xd-header-line">
        <div class="xd-title-block">
          <h1 class="xd-title">
            <Name text={label || modelName(info) || t("app.untitled")} />
          </h1>
          <p class="xd-facts-line">
            {facts.map((fact, i) => (
              <span key={i}>{fact}</span>
            ))}
          </p>
        </div>
        <div class="xd-header-tools">
          <Spaces />
          {info.outputs.length > 1 && (
            <Select
              label={t("app.class")}
              value={String(output)}
              choices={info.outputs.map((name, i) => ({ value: String(i), label: shown(name, 60) }))}
              onChange={(value) => store.set({ output: Number(value) })}
            />
          )}
          <IconButton icon="info" label={t("app.details")} pressed={open} onClick={() => setOpen(!open)} />
          <IconButton
            icon={theme}
            label={t("app.theme", { theme: t(`app.theme.${theme}`) })}
            onClick={() => store.set({ theme: next })}
          />
        </div>
      </div>
      {info.comment !== undefined && !open && !label.endsWith(info.comment) && (
        <p class="xd-comment">
          <Name text={info.comment} />
        </p>
      )}
      {open && <Details info={info} />}
    </header>
  );
}

/** Raw or engineered features, where the same rows are explained in both. */
function Spaces(): JSX.Element | null {
  const { host, store, explanation, open, t } = useApp();
  const loaded = useLoaded(
    () => Promise.all(host.sources.map((_, i) => (host.sources.length > 1 ? open(i).catch(() => null) : null))),
    [open],
  );
  if (loaded.status !== "ready") return null;
  const { info } = explanation;
  const spaces = ["raw", "engineered"] as const;
  const places = spaces.map((space) =>
    info.featureSpace === space
      ? loaded.value.indexOf(explanation)
      : loaded.value.findIndex((other) => other?.info.featureSpace === space && sameRows(other.info, info)),
  );
  if (places.some((place) => place < 0)) return null;
  return (
    <Segmented
      label={t("info.featureSpace")}
      value={info.featureSpace === "raw" ? "raw" : "engineered"}
      choices={spaces.map((space) => ({ value: space, label: t(`info.${space}`) }))}
      onChange={(space) => store.set({ shown: places[spaces.indexOf(space)], feature: null, search: "" })}
    />
  );
}

function sameRows(a: Info, b: Info): boolean {
  return a.task === b.task && a.nRows === b.nRows && a.outputs.join("\n") === b.outputs.join("\n");
}

function modelName(info: Info): string | undefined {
  return info.modelType?.split(".").pop();
}

/** The facts that fit a line. */
function useFacts(info: Info): string[] {
  const { t, format, explanation } = useApp();
  const features = t("info.features", { n: info.nFeatures });
  return [
    explanation.label ? shown(modelName(info) ?? "", 60) : "",
    t(`info.${info.task}`),
    t("info.rows", { n: info.nRows }),
    info.featureSpace === "raw" || info.featureSpace === "engineered"
      ? `${features} (${t(`info.${info.featureSpace}`)})`
      : features,
    info.outputs.length > 1 ? t("info.classes", { n: info.outputs.length }) : "",
    shown(info.method, 40),
    format.moment(info.createdAt),
  ].filter((fact) => fact !== "");
}

function Details({ info }: { info: Info }): JSX.Element {
  const { t, format } = useApp();
  const entries: [string, string | undefined][] = [
    [t("info.comment"), info.comment],
    [t("info.method"), info.method],
    [t("info.reason"), info.reason],
    [t("info.model"), [info.modelType, info.modelId].filter((part) => part).join(" · ") || undefined],
    [t("info.task"), t(`info.${info.task}`)],
    [
      t("info.outputs"),
      info.outputs
        .slice(0, 20)
        .map((name) => shown(name, 40))
        .join(", ") + (info.outputs.length > 20 ? ", …" : ""),
    ],
    [t("info.space"), info.outputSpace],
    [
      t("info.featureSpace"),
      t("info.features", { n: info.nFeatures }) + (info.topK ? `. ${t("info.cut", { n: info.topK })}` : ""),
    ],
    [t("info.created"), format.moment(info.createdAt)],
    [t("info.uploaded"), info.uploadedAt && format.moment(info.uploadedAt)],
    [t("info.notes"), info.notes.join("; ") || undefined],
    [t("info.madeWith"), info.madeWith.map((pair) => pair.join(" ")).join(", ") || undefined],
    [t("info.id"), info.id],
  ];
  return (
    <dl class="xd-details">
      {entries.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi dir="auto">{shown(value, 2000)}</bdi>
              </dd>
            </div>
          ),
      )}
    </dl>
  );
}
