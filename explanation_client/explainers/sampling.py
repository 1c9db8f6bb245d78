"""SamplingPolicy: which rows of many are explained, where explaining all would take too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table

METHODS = ("hdbscan", "kmeans", "random")

# Up to so many rows all are explained, and so many a sample has at least.
_FEWEST = 200
# More rows than this are first sampled at random: clusters take the square of their number in time.
_CLUSTERED = 10_000
_ROWS_PER_CLUSTER = 5
# k-means is tried with so many clusters; the best silhouette counts, on a part of the rows.
_TRIED_CLUSTERS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
_SILHOUETTE_ROWS = 1000


@dataclass(frozen=True)
class SamplingPolicy:
    """Which of the evaluation examples ``explain_global`` explains.

    Up to 200 rows are never sampled. More than 10,000 are first reduced to 10,000 at random. Of those, clusters are
    found, and each gives rows in proportion to its size and at least one, so that rare kinds of rows are not left out:
    five rows for each cluster in all, and 200 at least. Where there are transformations, clusters are of transformed
    rows.

    Parameters
    ----------
    allow_eval_sampling : bool
        Sample at all.
    max_dim_clustering : int
        Wider tables are reduced to so many dimensions (truncated singular value decomposition) before rows are
        clustered.
    sampling_method : "hdbscan", "kmeans" or "random"
        How clusters are found; ``"kmeans"`` chooses their number by the silhouette. ``"random"`` finds none, and takes
        text and missing values too.
    n_rows : int, optional
        Rows that the sample has. None: as above.
    seed : int
        The same seed gives the same rows.

    Raises
    ------
    InvalidArgumentError
        An argument is out of range.

    """

    allow_eval_sampling: bool = False
    max_dim_clustering: int = 50
    sampling_method: str = "hdbscan"
    n_rows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.allow_eval_sampling, bool):
            raise InvalidArgumentError(f"allow_eval_sampling={self.allow_eval_sampling!r}: True or False")
        if self.sampling_method not in METHODS:
            raise InvalidArgumentError(
                f"sampling_method={self.sampling_method!r}: one of {', '.join(map(repr, METHODS))}"
            )
        for name, value in (("max_dim_clustering", self.max_dim_clustering), ("n_rows", self.n_rows)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidArgumentError(f"{name}={value!r}: at least 1")

    def sample(self, table: Table, engineer: Callable[[Table], Table] | None = None) -> tuple[Table, tuple[str, ...]]:
        """Return the rows to explain, in their order, and a note of what was done; no note where all are.

        Parameters
        ----------
        table : Table
        engineer : callable, optional
            Makes of rows what is clustered. None: the rows themselves.

        Raises
        ------
        InvalidArgumentError
            Rows with text or missing values are to be clustered.

        """
        n_rows = table.shape[0]
        wanted = _FEWEST if self.n_rows is None else self.n_rows
        if not self.allow_eval_sampling or n_rows <= max(wanted, _FEWEST if self.n_rows is None else 0):
            return table, ()
        rng = np.random.default_rng(self.seed)
        if self.sampling_method == "random":
            picked, how = rng.choice(n_rows, wanted, replace=False), "at random"
        else:
            picked, how = self._from_clusters(table, engineer, rng)
        picked = np.sort(picked)
        return table.take(picked), (f"rows: {len(picked):,} of {n_rows:,} are explained, sampled {how}",)

    def _from_clusters(
        self, table: Table, engineer: Callable[[Table], Table] | None, rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], str]:
        considered = np.arange(table.shape[0])
        how = f"by {self.sampling_method}"
        if len(considered) > _CLUSTERED:
            considered = np.sort(rng.choice(len(considered), _CLUSTERED, replace=False))
            how = f"to {_CLUSTERED:,} at random, then by {self.sampling_method}"
        rows = table.take(considered)
        rows = rows if engineer is None else engineer(rows)
        points = _points(rows, self.max_dim_clustering, self.seed, self.sampling_method)
        labels = _hdbscan(points) if self.sampling_method == "hdbscan" else _kmeans(points, self.seed)
        clusters, sizes = np.unique(labels, return_counts=True)
        wanted = self.n_rows or max(_FEWEST, _ROWS_PER_CLUSTER * len(clusters))
        counts = _share(sizes, min(wanted, len(considered)))
        picked = [
            rng.choice(np.flatnonzero(labels == cluster), count, replace=False)
            for cluster, count in zip(clusters, counts, strict=True)
        ]
        return considered[np.concatenate(picked)], f"{how} in {len(clusters)} clusters"


def _share(sizes: NDArray[np.intp], wanted: int) -> NDArray[np.intp]:
    """Return how many rows each cluster gives: in proportion, at least one while there are enough to give."""
    exact = sizes * (wanted / sizes.sum())
    counts = np.floor(exact).astype(np.intp)
    # The rest goes to those that got none, then to the largest remainders.
    order = np.lexsort((-(exact - counts), counts > 0))
    counts[order[: wanted - int(counts.sum())]] += 1
    return np.asarray(np.minimum(counts, sizes), np.intp)


def _points(table: Table, dimensions: int, seed: int, method: str) -> NDArray[np.float64]:
    """Return rows as points: standardised, and reduced where they are wide."""
    if table.is_sparse:
        points: Any = table.data.astype(np.float64)
        if points.shape[1] <= dimensions:
            points = points.toarray()
    else:
        points = _numbers(table, method)
    if isinstance(points, np.ndarray):
        spread = points.std(axis=0)
        points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if points.shape[1] <= dimensions:
        return np.asarray(points)
    from sklearn.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(dimensions, random_state=seed).fit_transform(points))


def _numbers(table: Table, method: str) -> NDArray[np.float64]:
    kinds = [dtype.kind for dtype in table.data.dtypes] if table.is_frame else [table.data.dtype.kind]
    if all(kind in "biuf" for kind in kinds):
        points = table.data.to_numpy(np.float64, na_value=np.nan) if table.is_frame else table.data.astype(np.float64)
        if np.isfinite(points).all():
            return np.asarray(points)
    raise InvalidArgumentError(
        f"sampling_method={method!r} clusters rows of numbers, and these have text, categories or missing values: "
        "pass sampling_method='random'"
    )


def _hdbscan(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return labels of clusters by density; rows that are in none are one more."""
    from sklearn.cluster import HDBSCAN

    return np.asarray(HDBSCAN(min_cluster_size=_ROWS_PER_CLUSTER, copy=True).fit(points).labels_)


def _kmeans(points: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Return labels of k-means, of as many clusters as have the best silhouette."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    distinct = len(np.unique(points, axis=0))
    best, labels = -np.inf, np.zeros(len(points), np.intp)
    for n_clusters in _TRIED_CLUSTERS:
        if n_clusters >= distinct:
            break
        found = KMeans(n_clusters, n_init=1, random_state=seed).fit(points).labels_
        score = silhouette_score(points, found, sample_size=min(len(points), _SILHOUETTE_ROWS), random_state=seed)
        if score > best:
            best, labels = score, np.asarray(found)
    return labels
