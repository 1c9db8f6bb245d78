"""What moved between two explanations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.metrics import ndcg_score

from explanation_client.drift import AttributionDrift, attribution_drift
from explanation_client.errors import InvalidArgumentError, PartMissingError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from tests.strategies import explanation_of, finite, random_explanation

NAMES = ("age", "bmi", "income", "zip")


def of_scales(*scales: float, rows: int = 400, seed: int = 0, names: tuple[str, ...] = NAMES) -> Explanation:
    values = np.random.default_rng(seed).standard_normal((1, rows, len(scales))) * scales
    return explanation_of(values, features=names[: len(scales)])


def of_globals(*values: float, names: tuple[str, ...] = NAMES) -> Explanation:
    whole = of_scales(*(1.0 for _ in values), rows=2, names=names)
    return replace(whole, global_importances=Importances(np.array(values, np.float64)), local_importances=None)


def line(drift: AttributionDrift, feature: str) -> dict[str, object]:
    return dict(drift.to_frame().set_index("feature").loc[feature])


def test_an_explanation_does_not_drift_from_itself() -> None:
    explanation = random_explanation(3, 50, 6)
    drift = attribution_drift(explanation, explanation)
    assert not drift.drifted
    assert drift.moved == drift.notes == ()
    assert drift.ndcg == 1.0
    assert not drift.change.any()
    assert not drift.ks.any()


def test_other_rows_of_the_same_population_are_no_drift() -> None:
    drift = attribution_drift(of_scales(4, 3, 2, 1), of_scales(4, 3, 2, 1, seed=1), min_change=0.0)
    assert not drift.drifted
    assert drift.change.max() > 0


def test_what_moved_is_named_most_changed_first() -> None:
    drift = attribution_drift(of_scales(4, 3, 2, 1), of_scales(1, 3, 2, 2, seed=1))
    assert drift.moved == drift.features[: len(drift.moved)]
    assert set(drift.moved) == {"age", "zip"}
    assert drift.drifted
    assert drift.moved[0] == "age"
    assert (line(drift, "age")["baseline_rank"], line(drift, "bmi")["current_rank"]) == (1, 1)


def test_a_flipped_sign_is_seen_though_the_shares_stay() -> None:
    values = np.abs(np.random.default_rng(0).standard_normal((1, 300, 2))) + 1
    turned = values * [1, -1]
    drift = attribution_drift(explanation_of(values, features=NAMES[:2]), explanation_of(turned, features=NAMES[:2]))
    assert drift.moved == ("bmi",)
    assert line(drift, "bmi")["ks"] == 1.0
    assert drift.ndcg == 1.0
    assert not (drift.baseline_share - drift.current_share).any()


def test_shares_and_ranks_are_those_of_the_global_importances() -> None:
    drift = attribution_drift(of_globals(4, 3, 2, 1), of_globals(1, 3, 2, 4))
    assert line(drift, "age")["baseline_share"] == 0.4
    assert line(drift, "age")["current_share"] == 0.1
    assert line(drift, "zip")["current_rank"] == 1
    assert np.isnan(drift.distance).all()
    assert drift.change.tolist() == pytest.approx([0.3, 0.3, 0, 0])


def test_negative_global_importances_count_by_magnitude() -> None:
    assert not attribution_drift(of_globals(4, -3, 2, 1), of_globals(4, 3, 2, 1)).drifted


@given(
    st.integers(2, 8).flatmap(
        lambda n: st.tuples(
            arrays(np.float64, n, elements=st.floats(0.01, 100)),
            arrays(np.float64, n, elements=st.floats(0.01, 100), unique=True),
        )
    ),
    st.integers(1, 8),
)
@settings(max_examples=15)
def test_ndcg_is_that_of_scikit_learn(values: tuple[np.ndarray, np.ndarray], top_k: int) -> None:
    before, after = values
    names = tuple(f"f{i}" for i in range(len(before)))
    drift = attribution_drift(of_globals(*before, names=names), of_globals(*after, names=names), top_k=top_k)
    assert drift.ndcg == pytest.approx(ndcg_score(before[None], after[None], k=top_k), abs=1e-12)


@given(arrays(np.float64, (2, 2, 40), elements=finite(np.float64)))
@settings(max_examples=15)
def test_distances_are_those_of_scipy(values: np.ndarray) -> None:
    (a, b), (c, d) = values
    before = explanation_of(np.stack((a, b), axis=1)[None], features=("x", "y"))
    after = explanation_of(np.stack((c, d), axis=1)[None], features=("x", "y"))
    drift = attribution_drift(before, after)
    scale = np.abs(values[0]).sum(axis=0).mean() or np.abs(values[1]).sum(axis=0).mean() or 1.0
    for name, old, new in (("x", a, c), ("y", b, d)):
        found = line(drift, name)
        assert found["distance"] == pytest.approx(wasserstein_distance(old, new) / scale, rel=1e-9, abs=1e-12)
        tested = ks_2samp(old, new, method="asymp")
        assert found["ks"] == pytest.approx(tested.statistic, abs=1e-12)
        assert found["p_value"] == pytest.approx(min(1.0, 2 * tested.pvalue), abs=0.1)


@given(arrays(np.float64, (2, 1, 9, 3), elements=finite(np.float64)))
@settings(max_examples=15)
def test_the_distance_is_at_least_the_change_of_the_global_importance(values: np.ndarray) -> None:
    before, after = (explanation_of(part, features=NAMES[:3]) for part in values)
    drift = attribution_drift(before, after)
    scale = np.abs(values[0]).sum(axis=2).mean()
    if scale == 0:
        return
    for name, old, new in zip(NAMES, before.global_importance_values, after.global_importance_values, strict=False):
        assert float(line(drift, name)["distance"]) >= abs(old - new) / scale * (1 - 1e-9) - 1e-12  # type: ignore[arg-type]


def test_features_are_matched_by_name_and_others_are_named() -> None:
    before = of_scales(4, 3, 2, 1)
    after = of_scales(3, 4, 1, 2, names=("bmi", "age", "tenure", "income"))
    drift = attribution_drift(before, after)
    assert set(drift.moved) == {"zip", "tenure"}
    assert line(drift, "tenure")["baseline_rank"] == 0
    assert np.isnan(float(line(drift, "zip")["distance"]))  # type: ignore[arg-type]
    assert [note.partition(":")[0] for note in drift.notes] == [
        "1 feature is gone from the current explanation",
        "1 feature is not in the baseline",
    ]
    assert drift.ndcg < 1


def test_classes_are_matched_by_name() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 200, 2)) * np.array([1.0, 5.0, 3.0])[:, None, None]
    before = explanation_of(values, features=NAMES[:2], outputs=("a", "b", "c"))
    after = explanation_of(values[::-1].copy(), features=NAMES[:2], outputs=("c", "b", "a"))
    assert attribution_drift(before, after).change.max() < 1e-12
    others = explanation_of(values, features=NAMES[:2], outputs=("x", "y", "z"))
    assert "no class in common" in attribution_drift(before, others).notes[-1]


def test_a_cut_explanation_is_compared_by_what_it_kept() -> None:
    whole = of_scales(4, 3, 2, 1)
    drift = attribution_drift(whole, whole.cut(2))
    assert line(drift, "age")["baseline_share"] == pytest.approx(line(drift, "age")["current_share"])
    assert line(drift, "income")["current_share"] == pytest.approx(line(drift, "zip")["current_share"])
    assert drift.current_share.sum() == pytest.approx(1)
    assert [note[:20] for note in drift.notes] == ["the current explanat", "local importances we"]


def test_values_of_different_kinds_are_not_compared() -> None:
    before = of_scales(4, 3, 2, 1)
    after = replace(before, info=replace(before.info, output_space="probability", method="shap_kernel"))
    before = replace(before, info=replace(before.info, output_space="margin"))
    notes = " ".join(attribution_drift(before, after).notes)
    assert "add up to a margin, the current ones to a probability" in notes
    assert "shap_tree and shap_kernel" in notes


def test_local_explanations_alone_are_enough() -> None:
    before, after = of_scales(4, 3, 2, 1), of_scales(4, 3, 2, 1, seed=1)
    rows = attribution_drift(before[:], after[:])
    assert rows.to_dict()["features"] == attribution_drift(before, after).to_dict()["features"]
    with pytest.raises(PartMissingError, match="no global importances"):
        attribution_drift(before, after.cut(2)[:])


def test_without_local_nothing_of_it_is_read() -> None:
    drift = attribution_drift(of_scales(4, 3, 2, 1), of_scales(1, 3, 2, 4), local=False)
    assert np.isnan(drift.ks).all()
    assert drift.notes == ()
    assert {"age", "zip"} <= set(drift.moved)


def test_what_says_nothing_has_not_moved() -> None:
    nothing = explanation_of(np.zeros((1, 5, 2)), features=NAMES[:2])
    assert not attribution_drift(nothing, nothing).drifted
    something = attribution_drift(nothing, explanation_of(np.ones((1, 500, 2)), features=NAMES[:2]))
    assert something.moved == ("age", "bmi")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_ndcg": 1.5}, "min_ndcg=1.5"),
        ({"min_change": -1.0}, "min_change"),
        ({"significance": float("nan")}, "significance"),
        ({"top_k": 0}, "top_k=0"),
    ],
)
def test_limits_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        attribution_drift(of_scales(1, 2), of_scales(1, 2), **arguments)  # type: ignore[arg-type]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="of one task"):
        attribution_drift(random_explanation(1, 5, 3), random_explanation(2, 5, 3))
    with pytest.raises(InvalidArgumentError, match="no feature in common"):
        attribution_drift(of_scales(1, 2), of_scales(1, 2, names=("x", "y")))


def test_it_prints_what_moved() -> None:
    drift = attribution_drift(of_scales(4, 3, 2, 1), of_scales(1, 3, 2, 4, seed=1))
    lines = repr(drift).splitlines()
    assert lines[0].startswith("AttributionDrift(drifted: 2 of 4 features moved; ranking NDCG 0.7")
    assert "zip" in lines[1]
    assert "rank 4 -> 1" in lines[1]
    assert "none of 4 features moved" in repr(attribution_drift(of_scales(4, 3, 2, 1), of_scales(4, 3, 2, 1)))


def test_hostile_names_are_only_text() -> None:
    names = ("<script>alert(1)</script>", "a\x1b[2J", "\u202ex", "ok")
    drift = attribution_drift(of_scales(4, 3, 2, 1, names=names), of_scales(1, 3, 2, 4, names=names))
    page = drift._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not {"\x1b", "\u202e"} & set(page + repr(drift))


def test_it_is_plain_json() -> None:
    drift = attribution_drift(of_globals(4, 3, 2, 1), of_globals(1, 3, 2, 4))
    told = json.loads(json.dumps(drift.to_dict(), allow_nan=False))
    assert told["moved"] == ["age", "zip"]
    assert told["features"][0]["distance"] is None
    assert told["drifted"] is True
