"""The dashboard as a widget of a notebook; needs anywidget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from explanation_client.dashboard.bundle import read_host
from explanation_client.dashboard.conversation import Conversation, Opened
from explanation_client.dashboard.questions import Answerer
from explanation_client.errors import MissingDependencyError

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise MissingDependencyError("anywidget", extra="notebook", needed_for="the dashboard in a notebook") from error


class DashboardWidget(anywidget.AnyWidget):
    """A widget that gets its files from the kernel once it is shown, so that a saved notebook stays small.

    Parameters
    ----------
    opened : callable
        Returns what to show.
    answerer : Answerer, optional
    embed : bool
        Keep everything in the state of the widget, for pages that are made from the notebook.

    """

    _esm = read_host("widget.js")
    embedded = traitlets.Dict().tag(sync=True)

    def __init__(self, opened: Callable[[], Opened], answerer: Answerer | None, *, embed: bool = False) -> None:
        super().__init__(embedded=_embedded(opened()) if embed else {})
        conversation = Conversation(opened, answerer, self._send_reply)
        self.on_msg(lambda _widget, content, _buffers: conversation.receive(content))

    def _send_reply(self, content: dict[str, Any], buffers: Sequence[Any]) -> None:
        self.send(content, list(buffers))


def _embedded(opened: Opened) -> dict[str, Any]:
    """Return what a page shows without a kernel."""
    data = {f"{i}/{name}": bytes(file) for i, one in enumerate(opened.shown) for name, file in one.files.items()}
    data |= {f"{i}/": one.manifest for i, one in enumerate(opened.shown)}
    return {"config": dict(opened.config), "script": opened.script, "style": opened.style, "data": data}
