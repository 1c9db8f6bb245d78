"""A dashboard as one file: everything inline, nothing fetched, opens from disk and in a sandboxed frame.

Names and values of others never stand in the text of the page. They are in the data, which is deflated and in base64;
the policy lets the one script of the page run, and no other, and nothing be fetched.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from explanation_client.dashboard.bundle import Bundle, csp_hash, read_bundle, read_host
from explanation_client.dashboard.files import Shown
from explanation_client.errors import InvalidArgumentError, LimitExceededError
from explanation_client.format import ViewSize

Theme = Literal["light", "dark", "auto"]

MAX_MEGABYTES = 10.0
# Above it importances are stored as float32, which halves them.
_SMALL = 3_000_000
_MEGABYTE = 1_000_000
# How a page is made to fit: at most so many features, and for that at least so many rows, one after the other.
_STAGES = ((1_000, 500), (200, 500), (200, 25), (20, 25))
_MOST_ROWS = 5_000
# Part of the limit that is aimed at: compression does not shrink evenly.
_AIM = 0.9
_LEVEL = 6

NO_MODEL = (
    "Open the explanation where the model is, in a notebook or with the command line:",
    "ExplanationDashboard(explanation, model, dataset=x_test)\n"
    "explanation-client dashboard RUN_ID --model models:/NAME/VERSION",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """How a page looks.

    Parameters
    ----------
    title : str, optional
        Shown by the browser, in its tab.
    theme : "light", "dark" or "auto"
    language : str, optional
        A language tag such as ``"fr"``. None: the browser's.
    can_download : bool
        Whether the page may offer files though it is in a sandboxed frame.

    """

    title: str | None = None
    theme: Theme = "auto"
    language: str | None = None
    can_download: bool = False

    def __post_init__(self) -> None:
        if self.theme not in ("light", "dark", "auto"):
            raise InvalidArgumentError(f"theme={self.theme!r}: 'light', 'dark' or 'auto'")


def fitting_page(encode: Callable[[ViewSize], Sequence[Shown]], options: PageOptions, max_megabytes: float) -> bytes:
    """Return the page with as much as fits.

    Importances of a page over 3 MB are float32. Over the limit rows are left out, down to 500; then features after
    the 200th, which become one exact sum; then more of both, down to 25 rows of 20 features.

    Parameters
    ----------
    encode : callable
        Returns the files of each explanation for a size of the sample.
    options : PageOptions
    max_megabytes : float
        Millions of bytes.

    Raises
    ------
    InvalidArgumentError
        The limit is no positive number.
    LimitExceededError
        What belongs to all rows, such as names and global importances, is larger than the limit alone.

    """
    if isinstance(max_megabytes, bool) or not max_megabytes > 0:
        raise InvalidArgumentError(f"max_megabytes={max_megabytes!r}: a number above 0, such as {MAX_MEGABYTES:g}")
    limit = int(max_megabytes * _MEGABYTE)
    size = ViewSize(rows=_MOST_ROWS, columns=_STAGES[0][0])
    shown = encode(size)
    page = render(shown, options)
    if len(page) > min(limit, _SMALL):
        size = replace(size, dtype="float32")
        shown = encode(size)
        page = render(shown, options)
    for columns, fewest in _STAGES:
        while len(page) > limit:
            rows, width = max(one.rows for one in shown), max(one.columns for one in shown)
            if columns >= size.columns and rows <= fewest:
                break
            expected = len(page) * min(1.0, columns / max(1, width))
            fitting = min(_MOST_ROWS, int(_AIM * rows * limit / expected))
            size = replace(size, columns=columns, rows=max(fewest, fitting))
            shown = encode(size)
            page = render(shown, options)
    if len(page) > limit:
        raise LimitExceededError(
            f"the page has {len(page):,} bytes with {size.rows} rows of {size.columns} features, at most {limit:,}: "
            "names and global importances are too large for it. Raise max_megabytes, or cut the explanation first: "
            "explanation.cut(100)"
        )
    return page


def render(shown: Sequence[Shown], options: PageOptions, *, bundle: Bundle | None = None) -> bytes:
    """Return the page that shows these files: HTML, UTF-8."""
    bundle = bundle or read_bundle()
    style, script = bundle.page_style(), bundle.inline(read_host("page.js"))
    blocks = _Blocks()
    config = {
        "title": options.title,
        "theme": options.theme,
        "language": options.language,
        "canDownload": options.can_download,
        "modelHint": {"text": NO_MODEL[0], "code": NO_MODEL[1]},
        "sources": [
            {
                "label": one.label,
                "manifest": blocks.add(one.manifest),
                "files": [(name, blocks.add(data)) for name, data in one.files.items()],
            }
            for one in shown
        ],
    }
    blocks.add(json.dumps({key: value for key, value in config.items() if value is not None}).encode(), "explanation")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {csp_hash(script)}",
            f"style-src {csp_hash(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<title>Explanation</title>\n',
            f"<style>{style}</style>\n</head>\n<body>\n",
            '<div id="dashboard"></div>\n<noscript>This page needs JavaScript.</noscript>\n',
            *blocks.elements(),
            f'<script type="module">{script}</script>\n</body>\n</html>\n',
        )
    ).encode()


class _Blocks:
    """Data of a page, each in an element of its own with an id."""

    def __init__(self) -> None:
        self._blocks: dict[str, bytes] = {}

    def add(self, data: Any, name: str | None = None) -> str:
        """Return the id under which the page has the data."""
        name = name or f"data-{len(self._blocks)}"
        self._blocks[name] = zlib.compress(data, _LEVEL)
        return name

    def elements(self) -> Iterator[str]:
        """Yield the elements: nothing that a parser would see as more than text stands in them."""
        for name, data in self._blocks.items():
            yield f'<script type="application/octet-stream" id="{name}">{base64.b64encode(data).decode()}</script>\n'
