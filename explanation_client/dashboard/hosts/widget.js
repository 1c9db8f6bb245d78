// Shows the dashboard in a notebook. Files and answers of the model come from the kernel, each for a request with an id.

// Front ends that are loaded in this page already, by their digest: several widgets share one.
const loaded = (globalThis[Symbol.for("explanation-client.front-ends")] ??= new Map());

const load = (digest, script) => {
  if (!loaded.has(digest)) {
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    loaded.set(digest, import(url).finally(() => URL.revokeObjectURL(url)));
  }
  return loaded.get(digest);
};

// How long an answer of the kernel may take until the reader is told what is waited for: milliseconds.
const PATIENCE = 5000;

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const textOf = (view) => new TextDecoder().decode(view);

// What the kernel answers. Replies go to every view of the widget: each takes those to its own requests.
class Kernel {
  constructor(model) {
    this.model = model;
    this.name = Math.random().toString(36).slice(2);
    this.count = 0;
    this.waiting = new Map();
    this.receive = (message, buffers) => {
      const request = this.waiting.get(message.id);
      if (request === undefined) return;
      this.waiting.delete(message.id);
      if (message.error === undefined) request.resolve({ result: message.result, buffers: buffers ?? [] });
      else request.reject(new Error(message.error));
    };
    model.on("msg:custom", this.receive);
  }

  ask(content, signal) {
    const id = `${this.name}-${++this.count}`;
    return new Promise((resolve, reject) => {
      signal?.addEventListener(
        "abort",
        () => {
          if (!this.waiting.delete(id)) return;
          this.model.send({ do: "cancel", id });
          reject(signal.reason);
        },
        { once: true },
      );
      this.waiting.set(id, { resolve, reject });
      this.model.send({ ...content, id });
    });
  }

  close() {
    this.model.off("msg:custom", this.receive);
    for (const { reject } of this.waiting.values()) reject(new Error("The dashboard was closed."));
    this.waiting.clear();
  }
}

const sourceOf = (kernel, { label, files }, source) => {
  const names = new Set(files);
  const read = async (name) => bytesOf((await kernel.ask({ do: "read", source, name })).buffers[0]);
  return { label, has: (name) => names.has(name), manifest: () => read(""), read };
};

// What a saved notebook holds where the widget was embedded: no kernel is asked.
const embeddedSource = ({ label, files }, data, source) => {
  const names = new Set(files);
  const read = async (name) => bytesOf(data[`${source}/${name}`]);
  return { label, has: (name) => names.has(name), manifest: () => read(""), read };
};

const hostOf = (config, kernel, sources, live) => ({
  sources,
  model:
    config.model && live
      ? { predict: async (questions, signal) => (await kernel.ask({ do: "predict", questions }, signal)).result }
      : undefined,
  modelHint: config.modelHint ?? (live ? undefined : { text: "Run the notebook: its kernel has the model." }),
  canDownload: true,
});

// JupyterLab and VS Code say on the body how the page looks; others leave it to the browser.
const pageTheme = () => {
  const { dataset, classList } = document.body;
  if (dataset.jpThemeLight !== undefined) return dataset.jpThemeLight === "false" ? "dark" : "light";
  if (classList.contains("vscode-dark") || classList.contains("vscode-high-contrast")) return "dark";
  return classList.contains("vscode-light") ? "light" : "auto";
};

const open = async (model, kernel) => {
  const embedded = model.get("embedded");
  if (embedded?.config) {
    const { config, script, style, data } = embedded;
    const sources = config.sources.map((source, i) => embeddedSource(source, data, i));
    return { config, script, style, sources, live: false };
  }
  const { result, buffers } = await kernel.ask({ do: "open" });
  const [script, style] = buffers.map(textOf);
  return { config: result, script, style, sources: result.sources.map((source, i) => sourceOf(kernel, source, i)), live: true };
};

const render = async ({ model, el }) => {
  const kernel = new Kernel(model);
  // In command mode JupyterLab takes single keys for its own.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const kind of ["keydown", "keypress", "keyup"]) el.addEventListener(kind, (event) => event.stopPropagation());
  let unmount = () => {};
  let watcher;
  // Nobody answers in a page that was made from the notebook, or before its cells were run.
  const patience = setTimeout(() => {
    el.textContent =
      'The dashboard waits for the notebook\'s kernel: run the cell. Pass mode="html" to keep the dashboard in the notebook.';
  }, PATIENCE);
  try {
    const { config, script, style, sources, live } = await open(model, kernel);
    clearTimeout(patience);
    const { mount } = await load(config.digest, script);
    const sheet = document.createElement("style");
    sheet.textContent = style;
    const root = document.createElement("div");
    // Rules of the notebook's page, for lists and tables say, end at the shadow root.
    const place = document.createElement("div");
    place.attachShadow({ mode: "open" }).append(sheet, root);
    el.replaceChildren(place);
    let host = hostOf(config, kernel, sources, live);
    let state;
    const show = () => {
      unmount();
      const theme = config.theme === "auto" ? pageTheme() : config.theme;
      unmount = mount(root, host, {
        theme,
        language: config.language,
        state,
        onState: (changed) => {
          state = changed;
        },
      });
    };
    show();
    if (!live && config.model) {
      // A page made from the notebook has no kernel, and nobody answers.
      const withModel = () => {
        host = hostOf(config, kernel, sources, true);
        show();
      };
      kernel.ask({ do: "ping" }).then(withModel, () => {});
    }
    if (config.theme === "auto") {
      watcher = new MutationObserver(show);
      watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    }
  } catch (error) {
    clearTimeout(patience);
    el.textContent = `The dashboard can't be shown: ${error.message}`;
  }
  return () => {
    clearTimeout(patience);
    watcher?.disconnect();
    unmount();
    kernel.close();
  };
};

export default { render };
