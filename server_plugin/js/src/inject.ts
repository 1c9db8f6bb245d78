/**
 * Adds the Explanations tab to MLflow's pages.
 *
 * MLflow's pages are one React application that draws and redraws as the user moves about. After each change this looks
 * where the user is, sees to it that one tab of ours is there, and lays one frame with the explanations over the content
 * while they are asked for. Whatever it does not find it leaves alone; a link remains.
 */
import { findHook, MARK, type Hook } from "./hooks";
import { type Address, placeParameters, readAddress, writeAddress } from "./place";

// The script's own address tells where the server keeps our files, under any prefix.
const script = document.currentScript as HTMLScriptElement;
const shell = new URL(`index.html${new URL(script.src).search}`, script.src);
// How long MLflow's page may take to show the place for our tab before a link appears instead.
const PATIENCE = 8_000;

let frame: HTMLIFrameElement | null = null;
let link: HTMLAnchorElement | null = null;
let shownFor = "";
let waitingSince = performance.now();
let planned = 0;

const watch = new MutationObserver(plan);
watch.observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "data-state", "aria-selected"] });
for (const event of ["hashchange", "popstate", "resize"]) window.addEventListener(event, plan);
window.addEventListener("scroll", plan, { capture: true, passive: true });
window.addEventListener("message", listen);
const sizes = new ResizeObserver(plan);
plan();

/** Look again when the page is next drawn, however many changes there are until then. */
function plan(): void {
  planned ||= requestAnimationFrame(() => {
    planned = 0;
    update();
  });
}

function update(): void {
  const address = readAddress(location.hash);
  const hook = address === null ? null : findHook(address.place);
  if (address === null || hook === null) {
    hide();
    offerLink(address);
    return;
  }
  waitingSince = performance.now();
  offerLink(null);
  bind(hook);
  hook.select(address.isOpen);
  if (address.isOpen) show(address, hook);
  else hide();
}

const bound = new WeakSet<Element>();

function bind(hook: Hook): void {
  if (!bound.has(hook.node)) {
    bound.add(hook.node);
    hook.node.addEventListener("click", (event) => {
      event.preventDefault();
      event.stopPropagation();
      const isOpen = readAddress(location.hash)?.isOpen ?? false;
      // A tab is chosen; the button of a page without tabs opens and closes.
      const closes = isOpen && hook.node.hasAttribute("aria-pressed");
      location.hash = writeAddress(location.hash, !closes);
    });
  }
  const native = hook.nativeSelected();
  if (native !== null && !bound.has(native)) {
    bound.add(native);
    // MLflow takes this tab for the selected one while ours is shown, and would not answer a click on it.
    native.addEventListener(
      "click",
      () => {
        if (readAddress(location.hash)?.isOpen) location.hash = writeAddress(location.hash, false);
      },
      { capture: true },
    );
  }
}

function show(address: Address, hook: Hook): void {
  const main = document.querySelector("main");
  if (main === null) return;
  const target = addressOf(address);
  if (frame === null) {
    frame = document.createElement("iframe");
    frame.title = "Explanations";
    frame.style.cssText = "position:fixed;border:0;z-index:10;background:transparent";
    frame.addEventListener("load", dropIfRefused);
    frame.src = target;
    document.body.append(frame);
    sizes.observe(main);
  } else if (shownFor !== keyOf(address)) {
    frame.contentWindow?.location.replace(target);
  }
  shownFor = keyOf(address);
  place(frame, main, hook.above);
}

/** Lay the frame over the content: as wide as the page's card, from below the tabs to the end of what is visible. */
function place(over: HTMLIFrameElement, main: Element, above: Element): void {
  const card = (main.firstElementChild ?? main).getBoundingClientRect();
  const top = Math.max(above.getBoundingClientRect().bottom + 1, 0);
  const bottom = main.getBoundingClientRect().bottom;
  over.style.display = "block";
  over.style.left = `${card.left}px`;
  over.style.width = `${card.width}px`;
  over.style.top = `${top}px`;
  over.style.height = `${Math.max(bottom - top, 200)}px`;
}

function hide(): void {
  if (frame !== null) frame.style.display = "none";
}

/** Where the server forbids frames, even of its own pages, a link leads to the explanations. */
function dropIfRefused(): void {
  try {
    if (frame?.contentWindow?.location.href.startsWith("http")) return;
  } catch {
    // Another origin: the browser's own page about what it refused.
  }
  frame?.remove();
  frame = null;
  offerLink(readAddress(location.hash), true);
}

function offerLink(address: Address | null, isCertain = false): void {
  if (address === null) {
    link?.remove();
    link = null;
    if (readAddress(location.hash) === null) waitingSince = performance.now();
    return;
  }
  if (!isCertain && performance.now() - waitingSince < PATIENCE) {
    window.setTimeout(plan, PATIENCE);
    return;
  }
  if (link === null) {
    link = document.createElement("a");
    link.textContent = "Explanations";
    link.setAttribute(MARK, "link");
    link.style.cssText =
      "position:fixed;right:16px;bottom:16px;z-index:10;padding:8px 14px;border-radius:6px;" +
      "background:#0e538b;color:#fff;font:600 13px system-ui,sans-serif;text-decoration:none";
    document.body.append(link);
  }
  link.href = addressOf(address);
}

/** The address of the explanations page for a place of MLflow's, with all that it needs to know. */
function addressOf(address: Address): string {
  const parameters = placeParameters(address.place);
  parameters.set("theme", document.body.classList.contains("dark-mode") ? "dark" : "light");
  const workspace = new URLSearchParams(location.hash.split("?")[1] ?? "").get("workspace");
  if (workspace !== null) parameters.set("workspace", workspace);
  if (address.state !== "") parameters.set("state", address.state);
  return `${shell.href}#${parameters.toString()}`;
}

/** What makes it another page for the frame; the dashboard's own state does not, as it comes from there. */
function keyOf(address: Address): string {
  return JSON.stringify([address.place, document.body.classList.contains("dark-mode")]);
}

/** The explanations page tells its state, so that the address in the browser's bar can be shared. */
function listen(event: MessageEvent): void {
  if (event.origin !== location.origin || event.source !== frame?.contentWindow) return;
  const state: unknown = event.data?.explanationsState;
  if (typeof state !== "string" || readAddress(location.hash)?.isOpen !== true) return;
  history.replaceState(history.state, "", writeAddress(location.hash, true, state));
}
