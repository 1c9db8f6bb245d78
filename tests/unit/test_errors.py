"""The tree of errors is drawn as it is."""

from __future__ import annotations

import inspect
import re

from explanation_client import errors

TREE = re.compile(r"^([ │├└─]*)(\w+Error)\b(?: \((\w+)\))?", flags=re.MULTILINE)


def drawn() -> dict[str, tuple[str, str | None]]:
    """Return the parent and the builtin error of each class in the drawing, by its depth there."""
    path: list[str] = []
    found = {}
    for lines, name, builtin in TREE.findall(inspect.getdoc(errors)):
        depth = max(0, (len(lines) - 4) // 4)
        path[depth:] = [name]
        found[name] = (path[depth - 1] if depth else "", builtin or None)
    return found


def test_the_drawing_has_every_error_below_its_parent_with_its_builtin() -> None:
    wanted = {}
    classes = {name: value for name, value in vars(errors).items() if name.endswith("Error")}
    for name, value in classes.items():
        own, *rest = value.__bases__
        wanted[name] = ("" if own is Exception else own.__name__, rest[0].__name__ if rest else None)
    assert drawn() == wanted
