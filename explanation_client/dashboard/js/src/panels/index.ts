/** The panels, in the order of the navigation. A new one is a file beside this one and a line here. */

import type { ComponentType } from "preact";
import { cohortFilter, CohortToolbar } from "../cohorts/toolbar";
import type { Panel, RowFilter } from "../panel";
import { cohortsPanel } from "./cohorts";
import { compareExplanationsPanel } from "./compare_explanations";
import { compareRowsPanel } from "./compare_rows";
import { dataPanel } from "./data";
import { dependencePanel } from "./dependence";
import { globalPanel } from "./global";
import { icePanel } from "./ice";
import { interactionsPanel } from "./interactions";
import { localPanel } from "./local";
import { rowsPanel } from "./rows";
import { summaryPanel } from "./summary";
import { textPanel } from "./text";
import { whatIfPanel } from "./whatif";

export const PANELS: readonly Panel[] = [
  globalPanel,
  summaryPanel,
  dependencePanel,
  interactionsPanel,
  localPanel,
  textPanel,
  whatIfPanel,
  icePanel,
  dataPanel,
  rowsPanel,
  cohortsPanel,
  compareRowsPanel,
  compareExplanationsPanel,
];

/** Which rows the charts show; null for all of those at hand. */
export const ROW_FILTER: RowFilter | null = cohortFilter;

/** What stands above every panel beside the class: the choice of a cohort. */
export const TOOLBAR: ComponentType | null = CohortToolbar;
