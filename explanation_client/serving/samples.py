"""A sample of the explanations that a service gave, stored with a run: in batches, beside the requests, bounded.

Between two uploads a uniform sample of the explained rows is kept, of a fixed size (reservoir sampling: Vitter, "Random
sampling with a reservoir", 1985). Memory and the rate of uploads are therefore fixed whatever the load, and no request
waits: it leaves its importances behind, and a thread of its own does the rest. What is not kept, or can't be uploaded,
is counted and forgotten.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.errors import ExplanationError, UploadError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances, aggregate
from explanation_client.info import ExplanationInfo, new_id, now, versions
from explanation_client.scoring import Score, ScoringExplainer
from explanation_client.serving.metrics import Metrics
from explanation_client.serving.options import SampleOptions

Uploader = Callable[[Explanation, str], None]

# Importances that are kept between two uploads.
_MAX_BYTES = 64 * 2**20
# Seconds for one upload, the last one included, for which whoever stops the service waits.
UPLOAD_SECONDS = 20.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A sample of rows.

    Parameters
    ----------
    values : ndarray of float64, shape (C, n, F)
    rows : list of list
        Empty unless rows are stored.
    predictions : list
        Empty unless rows are stored.
    seen : int
        Rows of which these are a sample.
    since : datetime

    """

    values: NDArray[np.float64]
    rows: list[Any]
    predictions: list[Any]
    seen: int
    since: datetime


class Reservoir:
    """A uniform sample of the rows that are offered, of at most ``capacity`` rows. Safe to use from several threads.

    Parameters
    ----------
    n_outputs, n_features : int
        C and F of the importances.
    capacity : int
        Fewer rows are kept where they would not fit 64 MB.
    with_rows : bool
        Keep rows and predictions, not only importances.
    seed : int, optional
        None: another sample each time.

    """

    def __init__(
        self, n_outputs: int, n_features: int, capacity: int, *, with_rows: bool = False, seed: int | None = None
    ) -> None:
        self.capacity = max(1, min(capacity, _MAX_BYTES // (8 * n_outputs * n_features)))
        self._shape = (n_outputs, self.capacity, n_features)
        self._with_rows = with_rows
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._empty()

    def offer(self, values: NDArray[np.float64], rows: Any = (), predictions: Any = ()) -> int:
        """Take a sample of some rows, (C, N, F), and return how many rows are kept no longer, or not at all."""
        n_rows = int(values.shape[1])
        with self._lock:
            held = min(self._seen, self.capacity)
            places = np.arange(self._seen, self._seen + n_rows)
            late = places >= self.capacity
            # A row takes the place of any earlier one as probably as every other row does.
            places[late] = self._rng.integers(0, places[late] + 1)
            kept = np.flatnonzero(places < self.capacity)
            self._values[:, places[kept]] = values[:, kept]
            if self._with_rows:
                for position in kept:
                    self._rows[places[position]] = rows[position]
                    self._predictions[places[position]] = predictions[position] if len(predictions) else None
            self._seen += n_rows
            return held + n_rows - min(self._seen, self.capacity)

    def take(self) -> Kept | None:
        """Return the sample and start again; None where nothing was offered."""
        with self._lock:
            if self._seen == 0:
                return None
            count = min(self._seen, self.capacity)
            kept = Kept(self._values[:, :count], self._rows[:count], self._predictions[:count], self._seen, self._since)
            self._empty()
            return kept

    def _empty(self) -> None:
        self._values = np.empty(self._shape)
        self._rows: list[Any] = [None] * self.capacity if self._with_rows else []
        self._predictions: list[Any] = [None] * self.capacity if self._with_rows else []
        self._seen = 0
        self._since = now()


class SampleLog:
    """Stores a sample of a service's explanations with a run, from a thread of its own.

    Parameters
    ----------
    explainer : ScoringExplainer
        Whose explanations they are.
    options : SampleOptions
    metrics : Metrics
        Rows are counted there.
    upload : callable, optional
        Takes an explanation and a comment. None: :meth:`ExplanationClient.upload_model_explanation` of the run.
    seed : int, optional
        None: another sample each time.

    """

    def __init__(
        self,
        explainer: ScoringExplainer,
        options: SampleOptions,
        metrics: Metrics,
        *,
        upload: Uploader | None = None,
        seed: int | None = None,
    ) -> None:
        self._explainer = explainer
        self._options = options
        self._metrics = metrics
        self._upload = upload or _run_uploader(options)
        self._features = explainer.features
        n_outputs = len(explainer.classes or ("",))
        self._reservoir = Reservoir(
            n_outputs, len(self._features), options.rows, with_rows=options.with_rows, seed=seed
        )
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sample-log", daemon=True)

    def start(self) -> None:
        """Begin to upload."""
        self._thread.start()

    def offer(self, score: Score, rows: Any) -> None:
        """Leave the explanation of a request's rows here: it is part of the sample, or is counted as dropped."""
        # The request asked for other features than the rest of the sample has.
        if score.features != self._features:
            return
        with self._lock:
            if self._options.fraction < 1 and self._rng.random() >= self._options.fraction:
                return
        values = score.values if score.values.ndim == 3 else score.values[None]
        predictions = () if score.predictions is None else score.predictions
        dropped = self._reservoir.offer(values, rows, predictions)
        with self._lock:
            self._metrics.sampled("offered", values.shape[1])
            self._metrics.sampled("dropped", dropped)

    def close(self, seconds: float = UPLOAD_SECONDS + 5) -> None:
        """Upload what there is, and return when it is done, or after some seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def flush(self) -> None:
        """Upload what there is now."""
        kept = self._reservoir.take()
        if kept is None:
            return
        explanation = sampled_explanation(self._explainer, kept)
        comment = f"served explanations since {kept.since:%Y-%m-%d %H:%M:%S} UTC"
        try:
            self._upload(explanation, comment)
        except Exception as error:
            # Whatever it is: the service goes on, and the next sample gets another chance.
            outcome = "failed"
            if isinstance(error, ExplanationError):
                _log.warning("%d explained rows were not stored: %s", len(explanation), error)
            else:
                _log.exception("storing %d explained rows ended in an error that was not foreseen", len(explanation))
        else:
            outcome = "logged"
            self._metrics.uploaded()
        with self._lock:
            self._metrics.sampled(outcome, len(explanation))

    def _run(self) -> None:
        while not self._stop.wait(self._options.seconds):
            self.flush()
        self.flush()


def sampled_explanation(explainer: ScoringExplainer, kept: Kept) -> Explanation:
    """Return sampled rows as an explanation, local and global, like one that an explainer made."""
    info = explainer.info
    local = Importances(kept.values)
    whole, per_class = aggregate(local)
    data = None
    if kept.rows:
        data = EvaluationData.from_rows(np.array(kept.rows, dtype=object), names=explainer.columns)
        if kept.predictions[0] is not None:
            data = replace(data, predicted=np.array(kept.predictions))
    return Explanation(
        info=ExplanationInfo(
            id=new_id(),
            created_at=now(),
            # As the explainer that it was made from calls it: a comparison with that one's explanation is fair.
            method=info.explained_by,
            task=explainer.task,
            outputs=explainer.classes or ("target",),
            n_features=len(explainer.features),
            n_rows=local.shape[1],
            feature_space=_feature_space(explainer),
            output_space=info.output_space,
            model_type=info.model_type,
            reason=info.reason,
            notes=(*info.notes, f"{local.shape[1]} of {kept.seen} rows that a service explained"),
            made_with=versions("explanation-client", "numpy"),
        ),
        features=explainer.features,
        global_importances=whole,
        per_class_importances=per_class if explainer.task == "classification" else None,
        local_importances=local,
        base_values=explainer.expected_values,
        data=data,
    )


def _feature_space(explainer: ScoringExplainer) -> Any:
    for space, names in (("raw", explainer.raw_features), ("engineered", explainer.engineered_features)):
        if names is not None and explainer.features == names:
            return space
    return None


def _run_uploader(options: SampleOptions) -> Uploader:
    """Return a function that uploads an explanation to the run; the tracking client is loaded when it is called."""

    def upload(explanation: Explanation, comment: str) -> None:
        from explanation_client.client import ExplanationClient
        from explanation_client.spool import forget_spool

        client = ExplanationClient.from_run_id(options.tracking_uri, run_id=options.run_id, timeout=UPLOAD_SECONDS)
        try:
            client.upload_model_explanation(
                explanation, comment=comment, evaluation_data=options.with_rows, show_progress=False
            )
        except UploadError as error:
            # A spool for each upload while the tracking server is away would fill the disk of the service.
            if error.spool is not None:
                forget_spool(error.spool)
            raise

    return upload
