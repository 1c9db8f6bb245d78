/** What a panel declares: its name, what it needs, and what is rendered once that is at hand. */

import type { ComponentType } from "preact";
import type { App } from "./app";
import type { Key } from "./i18n/strings";
import type { Explanation, PartName, PartTypes } from "./model/explanation";
import type { State } from "./state/store";

/** Without these a panel can't be shown: parts of the explanation, a live model, a second explanation. */
export type Need = PartName | "model" | "second";
export type Group = "model" | "row" | "data" | "compare";

/** Parts that are needed are given; those that are only wanted are null where they are not stored. */
export type Given<N extends Need, W extends PartName> = { readonly [P in Extract<N, PartName>]: PartTypes[P] } & {
  readonly [P in W]: PartTypes[P] | null;
} & { readonly mask: Uint8Array | null };

export interface PanelDeclaration<N extends Need, W extends PartName> {
  readonly id: string;
  readonly title: Key;
  /** One sentence below the title. */
  readonly about: Key;
  readonly group: Group;
  readonly needs: readonly N[];
  /** May depend on the state, so that what is not looked at is not read. */
  readonly wants?: readonly W[] | ((state: State, explanation: Explanation) => readonly W[]);
  /** Whether the panel itself says which row is selected. */
  readonly showsRow?: boolean;
  /** Whether an explanation has anything to do with it; where not, the panel is not offered at all. */
  readonly applies?: (explanation: Explanation) => boolean;
  /** Why the panel can't be shown, beyond what it needs. */
  readonly missing?: (app: App, state: State) => Key | null;
  readonly component: ComponentType<Given<N, W>>;
}

/** A panel whose needs are no longer of interest to the compiler. */
export type Panel = PanelDeclaration<Need, PartName>;

export function definePanel<const N extends Need, const W extends PartName = never>(
  declaration: PanelDeclaration<N, W>,
): Panel {
  return declaration as unknown as Panel;
}

/** Rows that are shown, as a byte for each row at hand; null for all. Cohorts give it. */
export type RowFilter = (app: App, state: State) => Promise<Uint8Array | null>;

/** Returns why a panel can't be shown, or null. */
export function missing(panel: Panel, app: App, state: State): Key | null {
  for (const need of panel.needs) {
    const why = lacks(need, app, state);
    if (why !== null) return why;
  }
  return panel.missing?.(app, state) ?? null;
}

function lacks(need: Need, app: App, state: State): Key | null {
  const { explanation, host } = app;
  switch (need) {
    case "model":
      return host.model ? null : "need.model";
    case "second":
      return host.sources.length > 1 ? null : "need.second";
    case "local":
    case "aggregates":
      if (explanation.has(need, state.allRows)) return null;
      return explanation.manifest.parts.local ? "need.localElsewhere" : "need.local";
    case "data":
      return explanation.has("data", state.allRows) ? null : "need.data";
    case "labels":
      return explanation.has("labels", state.allRows) ? null : "need.labels";
    case "interactions":
      return explanation.has("interactions") ? null : "need.interactions";
    case "documents":
      return explanation.has("documents") ? null : "need.documents";
    case "perClass":
      return explanation.has("perClass") ? null : "need.global";
  }
}

export function wantedParts(panel: Panel, state: State, explanation: Explanation): readonly PartName[] {
  return typeof panel.wants === "function" ? panel.wants(state, explanation) : (panel.wants ?? []);
}
