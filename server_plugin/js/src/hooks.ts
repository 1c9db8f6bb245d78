/**
 * Where our tab goes in each of MLflow's pages.
 *
 * These hooks are not documented, so each may be missing: then nothing is added to the page. Nodes of MLflow's own are
 * never moved or removed, only one of ours is added beside them.
 */
import type { Place } from "./place";

export interface Hook {
  /** What is added, with its click not yet bound. */
  readonly node: HTMLElement;
  /** The element below which the explanations are shown. */
  readonly above: Element;
  /** Show which tab is the selected one. */
  select(isOpen: boolean): void;
  /** The native tab that MLflow's page believes to be selected while ours is: it must be able to take over. */
  nativeSelected(): HTMLElement | null;
}

export const MARK = "data-explanations-tab";
const LABEL = "Explanations";

/** The hook of a page that is there now; null where MLflow's page is still loading, or has changed. */
export function findHook(place: Place): Hook | null {
  switch (place.kind) {
    case "run":
      return runTabs();
    case "model":
      return modelTabs();
    case "version":
    case "experiment":
      return headerButton();
  }
}

function runTabs(): Hook | null {
  const list = document.querySelector('[data-component-id="mlflow.run-page.view-mode-switch"][role="tablist"]');
  const natives = (): HTMLElement[] => [...(list?.querySelectorAll<HTMLElement>(`[role="tab"]:not([${MARK}])`) ?? [])];
  const pattern = natives()[0];
  if (list === null || pattern === undefined) return null;
  const node = existing(list) ?? list.appendChild(button(pattern.className));
  node.setAttribute("role", "tab");
  return {
    node,
    above: list,
    select(isOpen) {
      setState(node, isOpen);
      for (const tab of natives()) setState(tab, !isOpen && tab.getAttribute("aria-selected") === "true", false);
    },
    nativeSelected: () => natives().find((tab) => tab.getAttribute("aria-selected") === "true") ?? null,
  };
}

/** Styles follow `data-state`; `aria-selected` of MLflow's own tabs stays theirs. */
function setState(tab: HTMLElement, isSelected: boolean, isOurs = true): void {
  const state = isSelected ? "active" : "inactive";
  if (tab.getAttribute("data-state") !== state) tab.setAttribute("data-state", state);
  if (isOurs && tab.getAttribute("aria-selected") !== String(isSelected)) {
    tab.setAttribute("aria-selected", String(isSelected));
  }
}

interface Classes {
  readonly item: string;
  readonly link: string;
}
const shownAs = new WeakMap<Element, Classes>();
// How MLflow's page draws the current item, once it has been seen.
let activeClasses: Classes | null = null;

function modelTabs(): Hook | null {
  const list = [...document.querySelectorAll("nav ul")].find((ul) => ul.querySelector('a[href$="/artifacts"]') !== null);
  if (list === undefined) return null;
  const natives = [...list.children].filter((item) => !item.hasAttribute(MARK));
  // Opened by a link to our tab, the page may show none of its own as current.
  const current = natives.find((item) => item.querySelector("[aria-current]") !== null);
  const other = natives.find((item) => item !== current);
  if (other === undefined) return null;
  const node = existing(list) ?? list.appendChild(listItem());
  const inactive = classes(other);
  if (current !== undefined && !shownAs.has(current)) activeClasses = classes(current);
  return {
    node,
    above: list.closest("nav") ?? list,
    select(isOpen) {
      setClasses(node, isOpen ? (activeClasses ?? inactive) : inactive);
      node.style.boxShadow = isOpen && activeClasses === null ? "inset 0 -3px 0 #2272b4" : "";
      if (current !== undefined) showAs(current, isOpen ? inactive : null);
      const link = node.firstElementChild;
      if (isOpen) link?.setAttribute("aria-current", "page");
      else link?.removeAttribute("aria-current");
    },
    nativeSelected: () => current?.querySelector("a") ?? null,
  };
}

/** Give an item of MLflow's other classes, or with null its own again. */
function showAs(item: Element, to: Classes | null): void {
  const own = shownAs.get(item);
  if (to !== null) {
    if (own === undefined) shownAs.set(item, classes(item));
    setClasses(item, to);
  } else if (own !== undefined) {
    setClasses(item, own);
    shownAs.delete(item);
  }
}

function classes(item: Element): Classes {
  return { item: item.className, link: item.firstElementChild?.className ?? "" };
}

function setClasses(item: Element, to: Classes): void {
  if (item.className !== to.item) item.className = to.item;
  const link = item.firstElementChild;
  if (link !== null && link.className !== to.link) link.className = to.link;
}

function headerButton(): Hook | null {
  const menu = document.querySelector('main [data-testid="overflow-menu-trigger"]');
  const header = menu?.parentElement;
  if (menu === null || menu === undefined || header === null || header === undefined) return null;
  const pattern = [...header.querySelectorAll<HTMLElement>(`button:not([${MARK}])`)].find((each) => each.textContent?.trim() !== "");
  const node = existing(header) ?? header.insertBefore(button(pattern?.className ?? "du-bois-light-btn"), menu);
  // Beside no button to look like: as tall as MLflow's are.
  if (pattern === undefined) node.style.cssText = "height:32px;padding:0 12px;align-self:center";
  return {
    node,
    above: header,
    select(isOpen) {
      node.setAttribute("aria-pressed", String(isOpen));
      node.style.boxShadow = isOpen ? "inset 0 0 0 2px #2272b4" : "";
    },
    nativeSelected: () => null,
  };
}

function existing(parent: Element): HTMLElement | null {
  return parent.querySelector<HTMLElement>(`:scope > [${MARK}]`);
}

function button(className: string): HTMLElement {
  const node = document.createElement("button");
  node.type = "button";
  node.className = className;
  node.textContent = LABEL;
  node.setAttribute(MARK, "");
  return node;
}

function listItem(): HTMLElement {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.textContent = LABEL;
  link.href = "#";
  item.append(link);
  item.setAttribute(MARK, "");
  return item;
}
