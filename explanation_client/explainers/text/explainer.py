"""TextExplainer: chooses how the words of documents are explained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from explanation_client.errors import AdditivityError, CannotExplainError, InvalidArgumentError
from explanation_client.explainers.model import class_names, origin_of
from explanation_client.explainers.notes import with_notes
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.text.common import (
    Predictions,
    bag_of,
    reader_of,
    sampled,
    taken_apart,
    text_info,
)
from explanation_client.explainers.text.exact import ExactRoute, exact_route
from explanation_client.explainers.text.general import GeneralRoute, RemovalRoute, ShapleyRoute
from explanation_client.explainers.text.inputs import Texts, read_texts
from explanation_client.explainers.text.model import OUTPUTS, read_document_model
from explanation_client.explainers.text.result import Collected
from explanation_client.explainers.text.words import Floats, Words
from explanation_client.explanation import Explanation
from explanation_client.progress import progress_bar

METHODS = ("linear", "tree", "removal", "shapley")
_GENERAL: dict[str, type[GeneralRoute]] = {"removal": RemovalRoute, "shapley": ShapleyRoute}


class Route(Protocol):
    """Computes the values of words."""

    method: str
    space: str
    how: str
    base_values: Floats
    packages: tuple[str, ...]

    @property
    def batch_size(self) -> int:
        """Documents explained at a time."""
        ...

    def explain(self, texts: list[str]) -> list[tuple[Words, Floats]]:
        """Return the words of each document, and their values (t, C)."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Return what is to be known of the values since the last call."""
        ...


class TextExplainer:
    """Explains what the words of documents contribute, for any model that takes documents.

    Linear models and trees behind scikit-learn's vectorizers are explained exactly. Any other model is asked about
    copies of each document that lack some of its words, at most 512 for each document. Values and base value add up to
    the model's output: the base value is the answer to the empty document, and a word that a document does not have
    has no part in it. The reason for the choice is stored with each explanation (``explanation.info.reason``).

    The features of an explanation are the different words of the explained documents. ``explanation.documents`` has
    the documents with every occurrence in its place.

    Parameters
    ----------
    model : object
        A fitted scikit-learn pipeline that begins with a vectorizer; a text classification pipeline of transformers;
        anything with ``predict`` or ``predict_proba`` that takes a list of strings; or a function from a list of
        strings to (N,) or (N, C).
    is_function : bool
        ``model`` is to be called, also where it has ``predict``.
    preprocessor : object with ``transform``, or function, optional
        What makes of documents what the model takes: a fitted vectorizer, for example.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    model_task : "classification", "regression" or "unknown"
        Needed only for models that do not tell.
    method : str, optional
        Choose by hand: ``"linear"``, ``"tree"``, ``"removal"`` or ``"shapley"``.
    output : "auto", "log-odds" or "probability"
        What values add up to where the model is asked about copies and gives probabilities. "auto" takes log-odds of
        each class: words add up better there.
    each_occurrence : bool, optional
        Tell the occurrences of a word apart where the model is asked about copies. None: unless a vectorizer counts
        words, so that their order hardly matters.
    token_pattern : str, optional
        A regular expression that matches a word. None: the vectorizer's, or letters, digits and apostrophes between
        them, each character of scripts without spaces, and emoji.
    nsamples : "auto" or int
        Copies of each document that the model is asked about. "auto": 128, then up to 512 until values are accurate.
    call_size : int
        Documents in one call of the model.
    seed : int
        The same seed gives the same values. numpy's global generator is not used.
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    Attributes
    ----------
    method : str
        How values are computed.
    reason : str
        Why.

    Raises
    ------
    UnsupportedModelError
        The model takes tables, is no model, or is not explained by the method that was asked for.
    InvalidArgumentError
        An argument is out of its range, or does not fit the model.

    """

    def __init__(
        self,
        model: Any,
        is_function: bool = False,
        *,
        preprocessor: Any = None,
        classes: Sequence[str] | None = None,
        model_task: str = "unknown",
        method: str | None = None,
        output: str = "auto",
        each_occurrence: bool | None = None,
        token_pattern: str | None = None,
        nsamples: int | str = "auto",
        call_size: int = 256,
        seed: int = 0,
        show_progress: bool | None = None,
    ) -> None:
        _check_arguments(method, output, nsamples, call_size)
        self._model = read_document_model(
            model, preprocessor=preprocessor, classes=classes, model_task=model_task, is_function=is_function
        )
        self._pattern = token_pattern
        self._show_progress = show_progress
        self._chosen = method
        transform, last, no_bag = taken_apart(self._model, preprocessor)

        def general(name: str) -> GeneralRoute:
            bag = bag_of(transform)
            by_name = bag is not None if each_occurrence is None else not each_occurrence
            reader = reader_of(bag, token_pattern)
            return _GENERAL[name](
                self._model, reader, output=output, by_name=by_name, nsamples=nsamples, seed=seed, call_size=call_size
            )

        self._general: Callable[[str], GeneralRoute] = general
        self._route, self.reason = self._choose(transform, last, no_bag)

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._model.given

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the outputs, None for a regression."""
        return self._model.outputs if self._model.task == "classification" else None

    @property
    def method(self) -> str:
        """How values are computed: ``"text_linear"``, ``"text_tree"``, ``"text_removal"`` or ``"text_shapley"``."""
        return self._route.method

    def explain_local(self, evaluation_examples: Any, classes: Sequence[str] | None = None) -> Explanation:
        """Return the importances of the words of each document.

        Parameters
        ----------
        evaluation_examples : str, or sequence of str
            One document or many. The explanation of a single string has no row axis.
        classes : sequence of str, optional
            Names of the classes in this explanation.

        Raises
        ------
        InvalidArgumentError
            These are no documents, none of them has a word, or ``classes`` does not fit the model.
        AdditivityError
            The values do not add up to the model's output.

        """
        texts = read_texts(evaluation_examples)
        return self._explain(texts, classes, keep_global=False, keep_local=True, batch_size=None)

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        batch_size: int | None = None,
        *,
        classes: Sequence[str] | None = None,
    ) -> Explanation:
        """Return the importances over all documents: the mean of a word's absolute importance in each.

        A document that does not have the word counts as 0.

        Parameters
        ----------
        evaluation_examples : sequence of str
        sampling_policy : SamplingPolicy, optional
            Which of the documents are explained, if not all; only ``sampling_method="random"``.
        include_local : bool
            Keep the documents and the importances of their words.
        batch_size : int, optional
            Documents explained at a time. None: what fits well.
        classes : sequence of str, optional
            Names of the classes in this explanation.

        Raises
        ------
        InvalidArgumentError
            As of :meth:`explain_local`; or ``batch_size`` or the policy are out of range.
        AdditivityError
            The values do not add up to the model's output.

        """
        if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
            raise InvalidArgumentError(f"batch_size={batch_size!r}: at least 1")
        texts, notes = sampled(read_texts(evaluation_examples), sampling_policy)
        made = self._explain(texts, classes, keep_global=True, keep_local=include_local, batch_size=batch_size)
        return with_notes(made, notes) if notes else made

    # --- Inside ------------------------------------------------------------------------------------------------

    def _choose(self, transform: Any, last: Any, no_bag: str) -> tuple[Route, str]:
        """Return the route for the model, and why."""
        if self._chosen in _GENERAL:
            route = self._general(self._chosen)
            return route, f"method={self._chosen!r} was asked for: {route.how}"
        try:
            if transform is None:
                raise CannotExplainError(no_bag)
            exact: ExactRoute = exact_route(transform, last, pattern=self._pattern)
        except CannotExplainError as error:
            if self._chosen is not None:
                raise
            route = self._general("removal")
            return route, f"{error}, so that the model is asked: {route.how}"
        if self._chosen is not None and exact.method != f"text_{self._chosen}":
            raise CannotExplainError(
                f"method={self._chosen!r}, and {self._model.short_name} is explained by {exact.method!r}: leave it out"
            )
        return exact, f"{'.'.join(origin_of(last)[0])} on words that {_counted(exact)}: {exact.how}"

    def _explain(
        self,
        texts: Texts,
        classes: Sequence[str] | None,
        *,
        keep_global: bool,
        keep_local: bool,
        batch_size: int | None,
    ) -> Explanation:
        outputs = self._outputs(classes)
        try:
            return self._explained(texts, outputs, keep_global=keep_global, keep_local=keep_local, size=batch_size)
        except CannotExplainError as error:
            if self._chosen is not None or isinstance(self._route, GeneralRoute):
                raise
            # The exact route is listed for the model, and does not hold for these documents.
            if isinstance(error, AdditivityError):
                warnings.warn(f"{error}; the model is asked about copies instead", UserWarning, stacklevel=3)
            self._route = route = self._general("removal")
            self.reason = f"{error}, so that the model is asked: {route.how}"
            return self._explained(texts, outputs, keep_global=keep_global, keep_local=keep_local, size=batch_size)

    def _explained(
        self, texts: Texts, outputs: tuple[str, ...], *, keep_global: bool, keep_local: bool, size: int | None
    ) -> Explanation:
        route, model = self._route, self._model
        collected = Collected(len(outputs), keep_global=keep_global, keep_local=keep_local)
        predictions = Predictions(model, keep_local)
        step = size or route.batch_size
        with progress_bar(
            f"Explaining ({route.method})", total=len(texts), unit="document", show=self._show_progress
        ) as advance:
            for start in range(0, len(texts), step):
                batch = texts.texts[start : start + step]
                for words, values in route.explain(batch):
                    collected.add(words, values)
                predictions.add(batch, route.answers if isinstance(route, GeneralRoute) else model.answer)
                advance(len(batch))
        info = text_info(
            model, method=route.method, outputs=outputs, n_features=len(collected.features), texts=texts,
            output_space=route.space, reason=self.reason, notes=route.notes(), packages=route.packages,
        )  # fmt: skip
        return collected.explanation(info, route.base_values, predictions.data(texts))

    def _outputs(self, classes: Sequence[str] | None) -> tuple[str, ...]:
        if classes is None:
            return self._model.outputs
        if self._model.task == "regression":
            raise InvalidArgumentError(f"classes= was given, and {self._model.short_name} is a regression model")
        return class_names(list(self._model.outputs), classes)


def _counted(route: ExactRoute) -> str:
    return f"{route._bag.describes} counts"


def _check_arguments(method: str | None, output: str, nsamples: int | str, call_size: int) -> None:
    if method is not None and method not in METHODS:
        raise InvalidArgumentError(f"method={method!r}: one of {', '.join(map(repr, METHODS))}")
    if output not in OUTPUTS:
        raise InvalidArgumentError(f"output={output!r}: one of {', '.join(map(repr, OUTPUTS))}")
    if nsamples != "auto" and (not isinstance(nsamples, int) or isinstance(nsamples, bool) or nsamples < 8):
        raise InvalidArgumentError(f"nsamples={nsamples!r}: 'auto', or at least 8 copies of each document")
    if isinstance(call_size, bool) or not isinstance(call_size, int) or call_size < 1:
        raise InvalidArgumentError(f"call_size={call_size!r}: at least 1")
