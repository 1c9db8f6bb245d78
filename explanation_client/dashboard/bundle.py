"""The built front end, as the hosts need it: as a module to import, or inline in a page."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_STATIC, _HOSTS = FOLDER / "static", FOLDER / "hosts"

# What a page is around the front end, which has no say over it: no margins, and as high as its window.
_PAGE_STYLE = "html,body{margin:0}#dashboard>*{min-height:100vh;box-sizing:border-box}"

# What ends a module that esbuild wrote: `export{x as mount};`.
_EXPORTS = re.compile(r"export\s*\{([^{}]*)\}\s*;?\s*$")
# What would end an element of HTML early, or hide its end, inside a script or a style.
_UNSAFE = re.compile(r"</?script|<!--|</style", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The front end.

    Parameters
    ----------
    script : str
        An ES module that exports ``mount``.
    style : str
        Its style sheet.

    """

    script: str
    style: str

    def digest(self) -> str:
        """Return what tells this front end from other versions of it: 16 hexadecimal digits."""
        return hashlib.sha256(f"{self.script}\0{self.style}".encode()).hexdigest()[:16]

    def page_style(self) -> str:
        """Return the style sheet of a page that holds nothing but the dashboard."""
        return checked(f"{self.style}\n{_PAGE_STYLE}")

    def inline(self, host: str) -> str:
        """Return one script of the front end and the code of a host, which calls ``explanationDashboardMount``.

        Raises
        ------
        ValueError
            The module does not export ``mount``, or holds text that HTML would take for its end.

        """
        match = _EXPORTS.search(self.script)
        names = {} if match is None else dict(map(_exported, match.group(1).split(",")))
        if match is None or "mount" not in names:
            raise ValueError("the front end does not end in an export of mount")
        script = f"{self.script[: match.start()]}\nconst explanationDashboardMount = {names['mount']};\n{host}"
        return checked(script)


def checked(text: str) -> str:
    """Return the text of a script or style as it may stand inline, with the line ends that a browser makes of it.

    Raises
    ------
    ValueError
        It holds text that HTML would take for its end.

    """
    found = _UNSAFE.search(text)
    if found is not None:
        raise ValueError(f"a script or style that a page holds inline contains {found.group()!r}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def csp_hash(text: str) -> str:
    """Return the source expression of a content security policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def read_bundle() -> Bundle:
    """Return the front end that is installed with the library.

    Raises
    ------
    FileNotFoundError
        This is a checkout in which it was not built.

    """
    try:
        return Bundle(
            script=(_STATIC / "dashboard.js").read_text(encoding="utf-8"),
            style=(_STATIC / "dashboard.css").read_text(encoding="utf-8"),
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error.filename} is missing: install the package, or run `npm ci && npm run build` in {FOLDER / 'js'}"
        ) from error


@cache
def read_host(name: str) -> str:
    """Return the code of a host, a file of the folder ``hosts``."""
    return (_HOSTS / name).read_text(encoding="utf-8")


def _exported(clause: str) -> tuple[str, str]:
    """Return (name outside, name inside) of ``inside as outside`` or of a name alone."""
    inside, _, outside = clause.strip().partition(" as ")
    return (outside or inside).strip(), inside.strip()
