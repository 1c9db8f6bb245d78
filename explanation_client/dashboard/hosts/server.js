// Shows the dashboard of a small server on this machine. The token comes in the address, and goes out with each request.

const KEY = "explanation-client.token";

const takeToken = () => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    // For this tab only, so that it can be loaded again; and out of the address, which people share.
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return given ?? sessionStorage.getItem(KEY) ?? "";
};

const token = takeToken();

const ask = async (path, options = {}) => {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Error("The server has ended: start it again.", { cause: error });
  }
  if (response.status === 401) throw new Error("Open the address that the command printed: it has a key to this server.");
  if (!response.ok) throw new Error(await response.text());
  return response;
};

const bytesOf = async (path) => new Uint8Array(await (await ask(path)).arrayBuffer());

const sourceOf = ({ label, files }, source) => {
  const names = new Set(files);
  return {
    label,
    has: (name) => names.has(name),
    manifest: () => bytesOf(`/files/${source}`),
    read: (name) => bytesOf(`/files/${source}/${encodeURIComponent(name)}`),
  };
};

const predict = async (questions, signal) => {
  const options = { method: "POST", body: JSON.stringify(questions), headers: { "Content-Type": "application/json" }, signal };
  return (await ask("/predict", options)).json();
};

const start = async () => {
  const config = await (await ask("/config")).json();
  const element = document.getElementById("dashboard");
  element.textContent = "";
  explanationDashboardMount(
    element,
    {
      sources: config.sources.map(sourceOf),
      model: config.model ? { predict } : undefined,
      modelHint: config.modelHint,
      canDownload: true,
    },
    {
      theme: config.theme,
      language: config.language,
      state: decodeURIComponent(location.hash.slice(1)) || undefined,
      onState: (state) => history.replaceState(null, "", `#${encodeURIComponent(state)}`),
    },
  );
};

start().catch((error) => {
  document.getElementById("dashboard").textContent = error.message;
});
