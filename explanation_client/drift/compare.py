"""The comparison: shares and ranks, NDCG, distances of the local importances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanation_client.display import shown
from explanation_client.drift.result import AttributionDrift, Floats
from explanation_client.errors import InvalidArgumentError, PartMissingError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances, aggregate


def attribution_drift(
    baseline: Explanation,
    current: Explanation,
    *,
    min_ndcg: float = 0.9,
    min_change: float = 0.05,
    significance: float = 0.01,
    top_k: int | None = None,
    local: bool = True,
) -> AttributionDrift:
    """Return what changed from one explanation to another: their rankings, and each feature's importances.

    Features are matched by name. The ranking is compared by normalised discounted cumulative gain (Järvelin and
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002): the gain of a feature is its share of the
    baseline's global importance, discounted by the logarithm of its place in the current ranking, and divided by what
    the baseline's own order gives. Monitoring services of clouds watch the same figure.

    Where both explanations have local importances, their distributions are compared too, feature by feature: by how
    far they lie apart (first Wasserstein distance, which is never less than the change of the feature's global
    importance, and sees changes that leave it as it was), and by whether that can be chance (two-sample
    Kolmogorov-Smirnov test; asymptotic p-values after Stephens, "EDF statistics for goodness of fit and some
    comparisons", 1974; Bonferroni's correction). The test takes rows to be independent. Without local importances
    shares are compared alone, and chance is not considered.

    Parameters
    ----------
    baseline, current : Explanation
        Both of the same task. Local importances of a stored explanation are read here, one output at a time.
    min_ndcg : float
        A ranking below this is drift.
    min_change : float
        The least change of a feature that counts, as a part of all importance: 0.05 is five per cent.
    significance : float
        The probability of calling any feature moved where nothing changed, at most.
    top_k : int, optional
        Only this many places of the current ranking count for NDCG. None: all.
    local : bool
        Compare the local importances where there are any. Without, nothing large is read.

    Raises
    ------
    InvalidArgumentError
        The explanations are of different tasks, have no feature in common, or a limit is out of its range.
    PartMissingError
        One has no global importances, and they can't be computed from what a cut left of the local ones.

    """
    _check_limits(min_ndcg=min_ndcg, min_change=min_change, significance=significance, top_k=top_k)
    if baseline.info.task != current.info.task:
        raise InvalidArgumentError(
            f"the baseline explains a {baseline.info.task}, the current explanation a {current.info.task}: compare "
            "explanations of one task"
        )
    features = (*baseline.features, *(name for name in current.features if name not in set(baseline.features)))
    if len(features) == len(baseline.features) + len(current.features):
        raise InvalidArgumentError("the explanations have no feature in common: nothing can be compared")
    before, after = _placed(baseline, features), _placed(current, features)
    notes = list(_notes(baseline, current))
    distance, ks, p_value = (np.full(len(features), np.nan) for _ in range(3))
    if local:
        reason = _no_distances(baseline, current)
        if reason is None:
            distance, ks, p_value = _distances(baseline, current, features)
        else:
            notes.append(f"local importances were not compared: {reason}")
    change = np.fmax(np.abs(after.share - before.share), distance)
    # A NaN is no reason to think that a change is chance.
    is_moved = (change >= min_change) & ~(p_value > significance)
    order = np.lexsort((-change, ~is_moved))
    return AttributionDrift(
        baseline=baseline.info,
        current=current.info,
        features=tuple(features[i] for i in order),
        baseline_share=before.share[order],
        current_share=after.share[order],
        baseline_rank=before.rank[order],
        current_rank=after.rank[order],
        distance=distance[order],
        ks=ks[order],
        p_value=p_value[order],
        ndcg=_ndcg(before.share, after, top_k),
        moved=tuple(features[i] for i in order if is_moved[i]),
        min_ndcg=min_ndcg,
        min_change=min_change,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    """Shares and ranks of one explanation, in the order of all features."""

    share: Floats
    rank: NDArray[np.int64]


def _placed(explanation: Explanation, features: tuple[str, ...]) -> _Placed:
    magnitude = _global_magnitude(explanation)
    total = magnitude.sum()
    ranks = np.empty(len(magnitude), np.int64)
    ranks[np.argsort(-magnitude, kind="stable")] = np.arange(1, len(magnitude) + 1)
    own = {name: position for position, name in enumerate(explanation.features)}
    places = np.array([own.get(name, -1) for name in features])
    known = places >= 0
    share, rank = np.zeros(len(features)), np.zeros(len(features), np.int64)
    share[known] = magnitude[places[known]] / total if total > 0 else 0.0
    rank[known] = ranks[places[known]]
    return _Placed(share, rank)


def _global_magnitude(explanation: Explanation) -> Floats:
    """Return the absolute global importance of each feature; what a cut left out is shared evenly among the others."""
    importances = explanation.global_importances
    if importances is None:
        if explanation.local_importances is None or explanation.local_importances.is_ranked:
            raise PartMissingError(
                f"explanation {explanation.id} has no global importances, and they can't be computed from what it has: "
                "compare explanations that explain_global made, or that were not cut"
            )
        importances = aggregate(explanation.local_importances.load())[0]
    importances = importances.load()
    values = np.abs(importances.values.astype(np.float64))
    if importances.index is None:
        return values
    count = explanation.num_features
    left_out = max(0.0, float(importances.totals) - float(values.sum())) / max(1, count - len(values))
    # Nothing that was left out is larger than what was kept.
    magnitude = np.full(count, min(left_out, float(values.min())))
    magnitude[importances.index] = values
    return magnitude


def _ndcg(gain: Floats, current: _Placed, top_k: int | None) -> float:
    """Return the discounted sum of the gains in the current order, as a part of what the best order has."""
    places = np.where(current.rank > 0, current.rank, len(gain) + 1)
    found = gain[np.argsort(places, kind="stable")][:top_k]
    best = np.sort(gain)[::-1][:top_k]
    discount = 1.0 / np.log2(np.arange(2, len(best) + 2))
    ideal = float(best @ discount)
    # Where the baseline finds nothing important every order is right.
    return min(1.0, float(found @ discount) / ideal) if ideal > 0 else 1.0


def _notes(baseline: Explanation, current: Explanation) -> list[str]:
    notes = []
    gone = [name for name in baseline.features if name not in set(current.features)]
    new = [name for name in current.features if name not in set(baseline.features)]
    for names, what in ((gone, "gone from the current explanation"), (new, "not in the baseline")):
        if names:
            some = ", ".join(shown(name, length=40) for name in names[:5]) + (" and others" if len(names) > 5 else "")
            notes.append(f"{len(names)} {'feature is' if len(names) == 1 else 'features are'} {what}: {some}")
    for name, explanation in (("baseline", baseline), ("current explanation", current)):
        importances = explanation.global_importances
        if importances is not None and importances.shape[-1] < explanation.num_features:
            kept, count = importances.shape[-1], explanation.num_features
            notes.append(
                f"the {name} was cut to its top {kept}: the other {count - kept} count as equal to one another"
            )
    if baseline.info.method != current.info.method:
        methods = f"{shown(baseline.info.method)} and {shown(current.info.method)}"
        notes.append(f"the values were computed by different methods ({methods}): part of the change may be theirs")
    return notes


def _no_distances(baseline: Explanation, current: Explanation) -> str | None:
    """Return why local importances can't be compared, None where they can."""
    for name, explanation in (("baseline", baseline), ("current explanation", current)):
        if explanation.local_importances is None:
            return f"the {name} has none"
        if explanation.local_importances.is_ranked:
            return f"the {name} was cut, and kept other features of each row"
    spaces = baseline.info.output_space, current.info.output_space
    if None not in spaces and spaces[0] != spaces[1]:
        return f"the baseline's add up to a {spaces[0]}, the current ones to a {spaces[1]}"
    if not set(baseline.info.outputs) & set(current.info.outputs) and baseline.info.task == "classification":
        return "the explanations have no class in common"
    return None


def _distances(baseline: Explanation, current: Explanation, features: tuple[str, ...]) -> tuple[Floats, Floats, Floats]:
    """Return Wasserstein distance, KS statistic and corrected p-value of each feature, the worst of all outputs."""
    theirs = {name: position for position, name in enumerate(current.features)}
    pairs = [(ours, theirs[name]) for ours, name in enumerate(baseline.features) if name in theirs]
    outputs = _matching_outputs(baseline, current)
    distance, ks = np.full(len(features), np.nan), np.full(len(features), np.nan)
    for ours, other in outputs:
        before, after = _local(baseline, ours), _local(current, other)
        # Of the baseline's mean row; of the current one where the baseline gives no feature anything.
        scale = _mean_row(before) or _mean_row(after) or 1.0
        for column, other_column in pairs:
            far, apart = _compare(before[:, column], after[:, other_column])
            distance[column] = np.fmax(distance[column], far / scale)
            ks[column] = np.fmax(ks[column], apart)
    p_value = _ks_p_value(ks, len(before), len(after))
    return distance, ks, np.minimum(1.0, p_value * len(pairs) * len(outputs))


def _matching_outputs(baseline: Explanation, current: Explanation) -> list[tuple[int, int]]:
    if baseline.info.task == "regression":
        return [(0, 0)]
    theirs = {name: position for position, name in enumerate(current.info.outputs)}
    return [(ours, theirs[name]) for ours, name in enumerate(baseline.info.outputs) if name in theirs]


def _local(explanation: Explanation, output: int) -> Floats:
    """Return the local importances of one output, float64 of shape (N, F), reading only that output."""
    assert explanation.local_importances is not None
    taken = explanation.local_importances.take((slice(output, output + 1), slice(None)))
    values: Importances = taken.load()
    return np.asarray(values.values[0], np.float64)


def _mean_row(values: Floats) -> float:
    return float(np.abs(values).sum(axis=1).mean())


def _compare(before: Floats, after: Floats) -> tuple[float, float]:
    """Return the first Wasserstein distance and the largest gap of the distribution functions of two samples."""
    before, after = np.sort(before), np.sort(after)
    every = np.sort(np.concatenate((before, after)))
    gaps = np.abs(
        np.searchsorted(before, every, side="right") / len(before)
        - np.searchsorted(after, every, side="right") / len(after)
    )
    return float(gaps[:-1] @ np.diff(every)), float(gaps.max())


def _ks_p_value(ks: Floats, n: int, m: int) -> Floats:
    """Return the asymptotic probability of a KS statistic at least that large, NaN for NaN."""
    root = math.sqrt(n * m / (n + m))
    scaled = np.maximum((root + 0.12 + 0.11 / root) * ks, 0.0)
    terms = np.arange(1, 101)[:, None]
    series = 2 * ((-1.0) ** (terms - 1) * np.exp(-2 * terms**2 * scaled**2)).sum(axis=0)
    # The series does not converge where the statistic is next to nothing: nothing is more probable than that.
    p_value: Floats = np.asarray(np.clip(series, 0.0, 1.0))
    p_value[scaled < 0.2] = 1.0
    p_value[np.isnan(ks)] = np.nan
    return p_value


def _check_limits(*, min_ndcg: float, min_change: float, significance: float, top_k: int | None) -> None:
    for name, value in (("min_ndcg", min_ndcg), ("min_change", min_change), ("significance", significance)):
        if not 0 <= value <= 1:
            raise InvalidArgumentError(f"{name}={value!r}: a number from 0 to 1")
    if top_k is not None and (isinstance(top_k, bool) or top_k < 1):
        raise InvalidArgumentError(f"top_k={top_k!r}: a number of places, at least 1, or None for all")
