/** The explanations of a run, a logged model or a model version: to open one, or compare two. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { usePage } from "./context";
import type { Listed } from "./listing";
import { Name, Nothing, When } from "./parts";

export function List({ explanations, snippet }: { explanations: readonly Listed[]; snippet: string }): JSX.Element {
  const { go, t } = usePage();
  const [chosen, setChosen] = useState<readonly Listed[]>([]);
  if (explanations.length === 0) {
    return <Nothing snippet={snippet} />;
  }
  // Two at most: a third takes the place of the first.
  const toggle = (each: Listed, on: boolean): void => setChosen([...chosen.filter(({ id }) => id !== each.id), ...(on ? [each] : [])].slice(-2));
  const compare = (): void => go({ run: chosen[0].run.id, id: chosen[0].id, otherRun: chosen[1].run.id, otherId: chosen[1].id });
  return (
    <>
      {explanations.length > 1 && (
        <div class="xp-actions">
          <button type="button" class="xp-button xp-primary" disabled={chosen.length !== 2} onClick={compare}>
            {chosen.length === 2 ? t("compareChosen") : t("chooseTwo")}
          </button>
        </div>
      )}
      <ul class="xp-cards">
        {explanations.map((each) => (
          <li key={`${each.run.id}/${each.id}`} class="xp-card">
            <button type="button" class="xp-card-open" onClick={() => go({ run: each.run.id, id: each.id })}>
              <span class="xp-card-title">{each.comment === "" ? <em>{t("noComment")}</em> : <Name text={each.comment} length={200} />}</span>
              <span class="xp-card-facts">
                <Name text={each.method} length={40} />
                {each.space !== "" && <span>{each.space}</span>}
                <span>
                  {each.rows.toLocaleString()} {t("rows")} × {each.features.toLocaleString()} {t("features")}
                </span>
                <When iso={each.uploaded} />
              </span>
              <ol class="xp-top" aria-label={t("top")}>
                {each.top.map((name, i) => (
                  <li key={i} class="xp-chip">
                    <Name text={name} length={40} />
                  </li>
                ))}
              </ol>
            </button>
            {explanations.length > 1 && (
              <label class="xp-choose">
                <input type="checkbox" checked={chosen.some(({ id }) => id === each.id)} onChange={(event) => toggle(each, event.currentTarget.checked)} />
                {t("compare")}
              </label>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
