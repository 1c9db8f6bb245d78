"""Make pages that show the built front end with stored explanations: ``python dev/pages.py FOLDER [NAME ...]``.

Each page is one file with the policy that the shipped page has: no network, no other script, no HTML from strings. A
model that runs in the page stands in for a live one: what-if pages answer with a sum of the columns.
"""

from __future__ import annotations

import base64
import hashlib
import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

from explanation_client.explanation import Explanation
from explanation_client.format import build_manifest, dump_manifest, file_name, plan
from explanation_client.format.entries import Buffer

EXPLANATIONS = runpy.run_path(str(Path(__file__).parent / "explanations.py"))["EXPLANATIONS"]
STATIC = Path(__file__).parents[2] / "static"

START = """
const sources = JSON.parse(document.getElementById("data").textContent).map(({ label, manifest, files }) => {
  const bytes = (text) => {
    const letters = atob(text);
    const made = new Uint8Array(letters.length);
    for (let i = 0; i < made.length; i++) made[i] = letters.charCodeAt(i);
    return made;
  };
  return {
    label,
    manifest: async () => bytes(manifest),
    read: async (name) => {
      if (!Object.hasOwn(files, name)) throw new Error(`${name} is not in this page`);
      return bytes(files[name]);
    },
    has: (name) => Object.hasOwn(files, name),
  };
});
const options = Object.fromEntries(new URLSearchParams(location.search));
const model = {
  predict: async (questions) => questions.map(({ row, edits, grid }) => {
    const sum = Object.values(edits).reduce((total, value) => total + (Number(value) || 0), row / 1000);
    const answer = (more) => { const p = 1 / (1 + Math.exp(-Math.sin(sum + more))); return [1 - p, p]; };
    return { predictions: grid ? grid.values.map((value) => answer(Number(value) || 0)) : [answer(0)] };
  }),
};
const host = { sources, canDownload: window.origin !== "null", model: options.model ? model : undefined };
globalThis.unmount = mount(document.getElementById("root"), host, {
  theme: options.theme, language: options.language, state: location.hash.slice(1),
  onState: (state) => history.replaceState(null, "", `#${state}`),
});
"""


def page(*explanations: tuple[str, Explanation], all_rows: bool = True) -> str:
    """Return a page with some explanations, the first of which is shown."""
    script = (STATIC / "dashboard.js").read_text(encoding="utf-8")
    at = script.rindex("export{")
    name = script[at:].removeprefix("export{").split(" as mount")[0]
    script = f"{script[:at]}const mount={name};{START}"
    style = (STATIC / "dashboard.css").read_text(encoding="utf-8") + "body{margin:0}"
    data = json.dumps([stored(label, explanation, all_rows) for label, explanation in explanations])
    policy = (
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Explanation</title>'
        f"<style>{style}</style></head>"
        f'<body><div id="root"></div><script type="application/octet-stream" id="data">{data}</script>'
        f'<script type="module">{script}</script></body></html>'
    )


def stored(label: str, explanation: Explanation, all_rows: bool) -> dict[str, object]:
    """Return the files of an explanation, as base64."""
    encoded = [job() for job in plan(explanation, include_data=True)]
    files = [(replace(file.entry, name=file_name(file.entry, "0")), file.data) for file in encoded]
    manifest = build_manifest(explanation, [entry for entry, _ in files], info=explanation.info)
    left_out = () if all_rows else ("local", "top", "data", "labels")
    return {
        "label": label,
        "manifest": text(dump_manifest(manifest)),
        "files": {entry.name: text(data) for entry, data in files if entry.role not in left_out},
    }


def text(data: Buffer) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


def digest(content: str) -> str:
    """Return what a policy calls a script or style of this content."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def main(folder: Path, names: list[str]) -> None:
    """Write the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or list(EXPLANATIONS):
        first, *more = name.split("+")
        explanations = [(each if more else "", EXPLANATIONS[each]()) for each in (first, *more)]
        path = folder / f"{name}.html"
        path.write_text(page(*explanations, all_rows=first != "houses"), encoding="utf-8")
        sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
