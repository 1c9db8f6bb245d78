"""ExplanationDashboard: an explanation to look at, in a notebook or as a page."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from explanation_client.dashboard.bundle import read_bundle
from explanation_client.dashboard.conversation import Opened
from explanation_client.dashboard.data import (
    Positions,
    ShownData,
    check_length,
    column_names,
    renamed,
    true_values,
)
from explanation_client.dashboard.page import MAX_MEGABYTES, PageOptions, Theme
from explanation_client.dashboard.pages import Comparison, compared, encoded, page_of, subject_of
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError
from explanation_client.explanation import Explanation
from explanation_client.format import ViewSize

if TYPE_CHECKING:
    from explanation_client.dashboard.model import LiveModel
    from explanation_client.dashboard.questions import Answerer
    from explanation_client.dashboard.rows import Rows
    from explanation_client.dashboard.server import DashboardServer
    from explanation_client.dashboard.widget import DashboardWidget

MAX_ROWS = 20_000
# Importances that a browser is sent: as they are up to so many, then as float32.
_EXACT_VALUES, _MAX_VALUES = 2_500_000, 10_000_000
_CODE = "ExplanationDashboard(explanation, model, dataset=x_test)"
_NO_MODEL = "Pass the model, and the rows that were explained:"
_NO_ROWS = "The explanation does not hold the rows that were explained: pass them too."


class ExplanationDashboard:
    """Shows an explanation: importances of features, of rows, and what the model says of changed rows.

    In a notebook the object shows itself as the last line of a cell. Everything but the explanation is optional: what
    can't be shown says why, and what to pass.

    Parameters
    ----------
    explanation : Explanation
        Just computed, or downloaded: local importances are then read when the dashboard is shown.
    model : object, optional
        The model that was explained: anything that the explainers take. It answers what-if questions and draws ICE
        curves, in this process, only for the rows that somebody looks at.
    dataset : table of shape (N, columns), optional
        The rows that were explained, as the model takes them: edited rows keep their dtypes. None: the rows that the
        explanation holds. Called ``datasetX`` too.
    true_y : array of shape (N,), optional
        True values of the rows. Called ``trueY`` too.
    classes, features : sequence of str, optional
        Other names for the classes and the features of the explanation.
    explainer : object, optional
        With ``explain_local``, for the importances of edited rows: the explainer that made the explanation. None: a
        ``TabularExplainer`` of the model, made when it is first needed.
    comparison : Explanation, list, or dict of label to explanation, optional
        Explanations to compare this one with.
    locale : str, optional
        Language, such as ``"fr"``. None: that of the browser.
    theme : "light", "dark" or "auto"
    mode : "widget" or "html"
        ``"widget"`` needs anywidget, and a notebook that shows widgets. ``"html"`` shows a page in a frame, which works
        wherever HTML does, without the model.
    embed : bool
        Keep what is shown in the notebook's file, for pages that ``jupyter nbconvert --execute`` makes of it.
    max_rows : int
        Charts show at most so many rows, a sample of them; figures over all rows are exact.

    Raises
    ------
    InvalidArgumentError
        The rows are not those that were explained, the model has other outputs, or names do not fit.
    UnsupportedModelError
        The model cannot predict.
    MissingDependencyError
        ``mode="widget"``, and anywidget is not installed.

    """

    def __init__(
        self,
        explanation: Explanation,
        model: Any = None,
        dataset: Any = None,
        true_y: Any = None,
        classes: Sequence[Any] | None = None,
        features: Sequence[Any] | None = None,
        *,
        explainer: Any = None,
        comparison: Comparison | None = None,
        datasetX: Any = None,  # the name that notebooks of interpret-community use
        trueY: Any = None,
        locale: str | None = None,
        theme: Theme = "auto",
        mode: Literal["widget", "html"] = "widget",
        embed: bool = False,
        max_rows: int = MAX_ROWS,
    ) -> None:
        if not isinstance(explanation, Explanation):
            kind = f"{type(explanation).__module__}.{type(explanation).__qualname__}"
            raise InvalidArgumentError(f"explanation is a {kind}: pass what explain_global() or a download returned")
        if mode not in ("widget", "html"):
            raise InvalidArgumentError(f"mode={mode!r}: 'widget' or 'html'")
        if isinstance(max_rows, bool) or max_rows < 1:
            raise InvalidArgumentError(f"max_rows={max_rows!r}: a whole number from 1")
        self._options = PageOptions(theme=theme, language=locale, can_download=True)
        self._explanation = renamed(explanation, features=features, classes=classes)
        self._mode, self._embed, self._max_rows = mode, embed, max_rows
        self._rows = _rows(_one("dataset", dataset, datasetX), self._explanation)
        self._asked_rows = _asked_rows(self._rows, self._explanation) if model is not None else None
        self._model = _live(model, self._asked_rows, self._explanation, explainer)
        self._hint = None if self._model is not None else _NO_MODEL if model is None else _NO_ROWS
        data = self._data(explanation, _one("true_y", true_y, trueY))
        others = compared(comparison)
        self._subjects = [subject_of(self._explanation, data, others), *others]
        if mode == "widget":
            self._widget_class = _widget_class()

    @property
    def explanation(self) -> Explanation:
        """What is shown, under the names that were given."""
        return self._explanation

    @cached_property
    def widget(self) -> DashboardWidget:
        """The widget, to put among other widgets."""
        return _widget_class()(lambda: self._opened, self._answerer, embed=self._embed)

    def save_html(self, path: str | Path, *, title: str | None = None, max_megabytes: float = MAX_MEGABYTES) -> Path:
        """Write the dashboard as one file that opens without a server and without network, and return its path.

        The page holds the rows that are shown. It has no model.

        Parameters
        ----------
        path : str or Path
        title : str, optional
            In the tab of the browser.
        max_megabytes : float
            Rows and features are left out until the page is no larger; figures over all rows stay exact.

        Raises
        ------
        LimitExceededError
            Names and global importances alone are larger than that.

        """
        target = Path(path)
        options = PageOptions(title=title, theme=self._options.theme, language=self._options.language)
        target.write_bytes(page_of(self._subjects, options, max_megabytes))
        return target

    def serve(self, *, port: int = 0) -> DashboardServer:
        """Return a small server on this machine that shows the dashboard, with the model, to whoever has its address.

        ``server.run()`` serves until Ctrl-C; ``with dashboard.serve() as server:`` serves beside what the block does.
        ``server.url`` is what to open.

        Parameters
        ----------
        port : int
            0: one that is free.

        Raises
        ------
        InvalidArgumentError
            The port is taken.

        """
        from explanation_client.dashboard.server import DashboardServer

        return DashboardServer(lambda: self._opened, self._answerer, port=port)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return what a notebook shows."""
        if self._mode == "html":
            return {"text/html": self._frame(), "text/plain": repr(self)}
        shown: Any = self.widget._repr_mimebundle_(**kwargs)
        data, *metadata = shown if isinstance(shown, tuple) else (shown,)
        # What is seen where no widget can be: a notebook that was saved and is read without its kernel.
        unseen = {"text/html": f"<div>{self._explanation._repr_html_()}{_NOT_LIVE}</div>", "text/plain": repr(self)}
        return ({**data, **unseen}, *metadata) if metadata else {**data, **unseen}

    def __repr__(self) -> str:
        return f"ExplanationDashboard of {self._explanation!r}"

    # --- Inside ------------------------------------------------------------------------------------------------

    @cached_property
    def _opened(self) -> Opened:
        """What the front end is started with, made when it is first shown."""
        shown = [encoded(subject, _live_size(subject.explanation, self._max_rows)) for subject in self._subjects]
        bundle = read_bundle()
        config = {
            "digest": bundle.digest(),
            "theme": self._options.theme,
            "model": self._model is not None,
            "sources": [{"label": one.label, "files": list(one.files)} for one in shown],
            **({} if self._options.language is None else {"language": self._options.language}),
            **({} if self._hint is None else {"modelHint": {"text": self._hint, "code": _CODE}}),
        }
        return Opened(config=config, script=bundle.script, style=bundle.style, shown=shown)

    @property
    def _answerer(self) -> Answerer | None:
        from explanation_client.dashboard.questions import Answerer

        if self._model is None or self._asked_rows is None:
            return None
        return Answerer(self._model, self._asked_rows)

    def _data(self, given: Explanation, true_y: Any) -> ShownData:
        rows, explanation = self._rows, self._explanation
        labels = {} if self._model is None else self._model.labels
        if given.info.outputs != explanation.info.outputs:
            labels |= dict(zip(given.info.outputs, explanation.info.outputs, strict=True))
        columns = (
            {}
            if given.features == explanation.features
            else dict(zip(given.features, explanation.features, strict=True))
        )
        return ShownData(
            held=explanation.data,
            columns=columns,
            labels=labels,
            rows=None if rows is None else rows.data,
            names=() if rows is None else rows.names,
            true=None if true_y is None else true_values(true_y, explanation),
            predict=None if self._model is None else _remembered(self._model.predictions),
        )

    def _frame(self) -> str:
        page = page_of(self._subjects, self._options, MAX_MEGABYTES).decode()
        return (
            f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts allow-downloads" '
            'title="Explanation" style="width:100%;height:820px;border:0"></iframe>'
        )


_NOT_LIVE = (
    '<p style="font:13px/1.5 system-ui,sans-serif;opacity:.75">This is a summary. Run the cell to see the dashboard. '
    "To keep all of it in the notebook and in pages made from it, pass <code>mode=&quot;html&quot;</code>.</p>"
)


def _live_size(explanation: Explanation, max_rows: int) -> ViewSize:
    """Return how much of an explanation is shown where this process is at hand: nothing has to fit into a file."""
    size = ViewSize(rows=max_rows, values=max(_MAX_VALUES, max_rows))
    columns = min(explanation.num_features, size.columns)
    values = len(explanation.info.outputs) * min(explanation.num_examples, max_rows) * columns
    return replace(size, dtype="float32") if values > _EXACT_VALUES else size


def _remembered(predict: Callable[[Positions], EvaluationData]) -> Callable[[Positions], EvaluationData]:
    """Return a function that predicts the same rows once only: a page is made several times until it fits.

    Where the model fails, charts lack predictions, and a warning says why.
    """
    last: dict[bytes, EvaluationData] = {}

    def remembered(positions: Positions) -> EvaluationData:
        key = positions.tobytes()
        if key not in last:
            last.clear()
            try:
                last[key] = predict(positions)
            except Exception as error:  # whatever a model of somebody else raises
                last[key] = EvaluationData()
                warnings.warn(
                    f"the dashboard shows no predictions: the model fails on the rows, {type(error).__name__}: {error}",
                    stacklevel=2,
                )
        return last[key]

    return remembered


def _one(name: str, first: Any, second: Any) -> Any:
    """Return the one of two arguments that is given."""
    if first is not None and second is not None:
        raise InvalidArgumentError(f"{name} was given twice")
    return second if first is None else first


def _rows(dataset: Any, explanation: Explanation) -> Rows | None:
    """Return the rows that were explained: those that are passed, else those that the explanation holds."""
    from explanation_client.dashboard.rows import Rows
    from explanation_client.explainers.inputs import read_table

    if dataset is None:
        return None
    table = read_table(dataset, what="rows of dataset=")
    check_length("dataset", table.shape[0], explanation)
    return Rows(data=table.data, names=column_names(table.names, table.shape[1], explanation))


def _asked_rows(rows: Rows | None, explanation: Explanation) -> Rows | None:
    """Return the rows that the model is asked about: without a dataset those that the explanation holds."""
    from explanation_client.dashboard.rows import rows_of

    return rows if rows is not None or explanation.data is None else rows_of(explanation.data)


def _live(model: Any, rows: Rows | None, explanation: Explanation, explainer: Any) -> LiveModel | None:
    from explanation_client.dashboard.model import LiveModel

    if model is None or rows is None:
        return None
    return LiveModel(model, rows, explanation, explainer)


def _widget_class() -> type[DashboardWidget]:
    from explanation_client.dashboard.widget import DashboardWidget

    return DashboardWidget
