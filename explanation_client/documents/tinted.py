"""A document as HTML, its words tinted by their importance."""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from explanation_client.importances import FloatArray

if TYPE_CHECKING:
    from explanation_client.documents.data import Document

# Colours of words that speak for an output and against it; both are told apart by people who see few colours.
_FOR, _AGAINST = "38,112,201", "211,84,0"
# Characters of a text that a notebook shows: a browser gets slow with hundreds of thousands of coloured words.
_SHOWN = 20_000


def tinted(document: Document, values: FloatArray, label: str | None) -> str:
    """Return the text of a document under a label, words with the importances ``values`` (t,) in their colours."""
    text, largest = document.text, float(np.abs(values).max(initial=0.0)) or 1.0
    pieces, at = [], 0
    for (start, end), value in zip(document.spans, values.tolist(), strict=True):
        if start >= _SHOWN:
            break
        share = abs(value) / largest
        pieces.append(_escaped(text[at:start]))
        if share < 0.02:
            pieces.append(_escaped(text[start:end]))
        else:
            colour = f"rgba({_FOR if value > 0 else _AGAINST},{0.1 + 0.5 * share:.2f})"
            style = f"background:{colour};border-radius:.2em;padding:0 .1em"
            pieces.append(f'<span style="{style}" title="{value:+.3g}">{_escaped(text[start:end])}</span>')
        at = end
    pieces.append(_escaped(text[at : max(at, _SHOWN)]) + ("…" if len(text) > max(at, _SHOWN) else ""))
    head = "" if label is None else f'<div style="opacity:.65;margin:.7em 0 .2em">{_escaped(label[:200])}</div>'
    body = "white-space:pre-wrap;overflow-wrap:anywhere;max-width:60em;font:13px/1.8 system-ui,sans-serif;color:inherit"
    return f'{head}<div dir="auto" style="{body}">{"".join(pieces)}</div>'


def _escaped(text: str) -> str:
    """Return text for HTML; what controls a terminal or the direction of writing is shown as an escape."""
    shown = "".join(
        c if c in "\n\t" or unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}"
        for c in text.replace("\r\n", "\n")
    )
    return html.escape(shown, quote=True)
