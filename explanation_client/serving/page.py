"""A page that describes the service and lets it be tried: one file, which loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any

_STYLE = """
body { font: 15px/1.55 system-ui, sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em; }
body { color: #1d2733; background: #fff; }
h1 { font-size: 1.4em; margin-bottom: .2em }
h2 { font-size: 1.05em; margin: 1.8em 0 .4em }
code, pre, textarea { font: 13px/1.5 ui-monospace, monospace }
table { border-collapse: collapse; width: 100% }
td { padding: .25em .8em .25em 0; vertical-align: top; border-top: 1px solid #8884 }
textarea { width: 100%; height: 9em; box-sizing: border-box; padding: .6em; color: inherit; }
textarea { background: #8881; border: 1px solid #8886; border-radius: 4px; }
pre { background: #8881; padding: .8em; border-radius: 4px; overflow: auto; max-height: 28em; white-space: pre-wrap }
button { font: inherit; padding: .35em 1.2em; margin: .5em 0; border: 0; border-radius: 4px; }
button { color: #fff; background: #1f6fc0; cursor: pointer; }
a { color: #1f6fc0 }
@media (prefers-color-scheme: dark) { body { color: #dde3ea; background: #171c22 } a { color: #6aaef0 } }
"""
_SCRIPT = """
const [send, rows, answer] = ["send", "rows", "answer"].map((id) => document.getElementById(id));
const headers = { "content-type": "application/json" };
send.addEventListener("click", async () => {
  send.disabled = true;
  const from = performance.now();
  try {
    const got = await fetch("score", { method: "POST", headers, body: rows.value });
    const took = (performance.now() - from).toFixed(0);
    answer.textContent = `${got.status} in ${took} ms\n\n${JSON.stringify(await got.json(), null, 1)}`;
  } catch (error) {
    answer.textContent = String(error);
  } finally {
    send.disabled = false;
  }
});
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Nothing but this page's own style and script, and requests to this service.
POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def describing_page(description: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description, as HTML."""
    info = description["info"]
    rows = "".join(
        f"<tr><td><code>{method.upper()} {_text(path)}</code></td><td>{_text(operation['summary'])}</td></tr>"
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    )
    content = description["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    examples = [example["value"] for example in content.get("examples", {}).values()]
    first = json.dumps(examples[0] if examples else {"data": [[]]})
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Scoring with explanations</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{_text(info['title'])}</h1><p>{_text(info['description'])}</p>"
        f'<table>{rows}</table><p>For programs: <a href="openapi.json">openapi.json</a></p>'
        '<h2>Try it</h2><textarea id="rows" spellcheck="false" aria-label="Body of a request">'
        f"{_text(first)}</textarea>"
        '<button id="send">Send to /score</button><pre id="answer" aria-live="polite"></pre>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)
