"""How explanations print: a line or two of text, and a small page for notebooks.

Names come from data, and data can be hostile: everything that is shown goes through :func:`shown`.
"""

from __future__ import annotations

import html as _html
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from explanation_client.explanation import Explanation
    from explanation_client.importances import Importances

_TOP = 10
_NAME_LENGTH = 60


def shown(text: str, *, length: int = _NAME_LENGTH) -> str:
    """Return text that is safe to print: control and direction marks as visible escapes, cut to a length."""
    visible = "".join(c if unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}" for c in text[: length + 1])
    return visible if len(visible) <= length else visible[: length - 1] + "…"


def text(explanation: Explanation) -> str:
    """Return a short description: what was explained, what is there, the most important features."""
    info = explanation.info
    kind = {"raw": "raw ", "engineered": "engineered ", None: ""}[info.feature_space]
    head = f"{info.task}, {_count(info.n_rows, 'row')} x {_count(info.n_features, kind + 'feature')}"
    if info.task == "classification":
        head += f", {_count(len(info.outputs), 'class', 'classes')}"
    lines = [f"Explanation({shown(info.method)}: {head}; {', '.join(_parts(explanation))})"]
    if info.comment:
        lines.append(f"  comment: {shown(info.comment, length=100)}")
    top = _top(explanation)
    if top is not None:
        pairs = zip(top.names(explanation.features), top.values, strict=True)
        lines.append("  " + ", ".join(f"{shown(name, length=30)} {value:.4g}" for name, value in list(pairs)[:5]))
    if pairs_shown := _pairs(explanation):
        lines.append(f"  interactions: {pairs_shown}")
    return "\n".join(lines)


def html(explanation: Explanation) -> str:
    """Return a small self-contained card for notebooks; no script, follows the page's colours."""
    info = explanation.info
    facts = [
        ("Method", info.method),
        ("Task", info.task),
        ("Rows", f"{info.n_rows:,}"),
        ("Features", f"{info.n_features:,}" + (f", top {info.top_k} kept" if info.top_k else "")),
        ("Parts", ", ".join(_parts(explanation))),
    ]
    if info.task == "classification":
        facts.append(("Classes", ", ".join(shown(name, length=24) for name in info.outputs[:8])))
    if pairs_shown := _pairs(explanation):
        facts.append(("Interactions", pairs_shown))
    if info.comment:
        facts.append(("Comment", info.comment))
    if info.reason:
        facts.append(("Why", info.reason))
    rows = "".join(
        f'<div style="opacity:.65">{_escape(name)}</div><div style="overflow-wrap:anywhere">{_escape(value, 300)}</div>'
        for name, value in facts
    )
    return (
        '<div style="max-width:46em;font:13px/1.5 system-ui,sans-serif;color:inherit">'
        '<div style="font-weight:600;margin:.2em 0 .4em">Explanation</div>'
        '<div style="display:grid;grid-template-columns:max-content 1fr;column-gap:1.2em;text-align:left">'
        f"{rows}</div>{_bars(explanation)}</div>"
    )


def _bars(explanation: Explanation) -> str:
    top = _top(explanation)
    if top is None:
        return ""
    largest = float(np.abs(top.values).max()) or 1.0
    bars = "".join(
        f'<div style="text-align:right;overflow-wrap:anywhere">{_escape(name)}</div>'
        '<div style="display:flex;align-items:center;gap:.6em">'
        f'<div style="width:{max(0.5, 72 * abs(float(value)) / largest):.1f}%;height:.8em;background:#2f7fd1;'
        f'border-radius:2px;flex:none"></div><span style="font-variant-numeric:tabular-nums">{value:#.4g}</span></div>'
        for name, value in zip(top.names(explanation.features), top.values, strict=True)
    )
    return (
        '<div style="opacity:.65;margin:.7em 0 .2em">Global importance</div>'
        f'<div style="display:grid;grid-template-columns:minmax(6em,14em) 1fr;gap:.15em .8em">{bars}</div>'
    )


def _top(explanation: Explanation) -> Importances | None:
    importances = explanation.global_importances
    return None if importances is None else importances.ranked(min(_TOP, importances.shape[-1]))


def _pairs(explanation: Explanation) -> str:
    """Return the pairs that interact most; nothing where they would have to be read from a store first."""
    interactions = explanation.interactions
    if interactions is None or not interactions.is_loaded:
        return ""
    positions, values = interactions.pairs()
    names = ([shown(explanation.features[i], length=30) for i in pair] for pair in positions[:3])
    return ", ".join(f"{a} x {b} {value:.4g}" for (a, b), value in zip(names, values[:3], strict=True))


def _parts(explanation: Explanation) -> list[str]:
    present = (
        ("global", explanation.global_importances),
        ("per class", explanation.per_class_importances),
        ("local", explanation.local_importances),
        ("interactions", explanation.interactions),
        ("base values", explanation.base_values),
        ("data", explanation.data),
    )
    return [name for name, part in present if part is not None]


def _escape(value: object, length: int = _NAME_LENGTH) -> str:
    return _html.escape(shown(str(value), length=length), quote=True)


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
