// Shows what a page carries: each file is deflated and in base64, in an element of its own.

const decode = async (id) => {
  const text = document.getElementById(id).textContent;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
};

const sourceOf = ({ label, manifest, files }) => {
  const blocks = new Map(files);
  return {
    label,
    manifest: () => decode(manifest),
    has: (name) => blocks.has(name),
    read: async (name) => {
      if (!blocks.has(name)) throw new Error("this page does not carry it");
      return decode(blocks.get(name));
    },
  };
};

// A link to what is shown, where the frame lets a page change its address.
const remember = (state) => {
  try {
    history.replaceState(null, "", `#${encodeURIComponent(state)}`);
  } catch {
    // An address that can't change: the state lives as long as the page.
  }
};

const remembered = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
};

const start = async () => {
  const config = JSON.parse(new TextDecoder().decode(await decode("explanation")));
  if (config.title) document.title = config.title;
  const element = document.getElementById("dashboard");
  element.textContent = "";
  explanationDashboardMount(
    element,
    {
      sources: config.sources.map(sourceOf),
      modelHint: config.modelHint,
      // Frames without an origin of their own may not save files, unless whoever made them says so.
      canDownload: config.canDownload || window.parent === window || window.origin !== "null",
    },
    { theme: config.theme, language: config.language, state: remembered() || undefined, onState: remember },
  );
};

start().catch((error) => {
  document.getElementById("dashboard").textContent = `The page can't be shown: ${error.message}`;
});
