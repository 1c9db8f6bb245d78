"""Raw importances through feature maps: sums are kept, several maps are chained, what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explanation_client import Explanation
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError

RNG = np.random.default_rng(0)
# Two classes, three rows, four engineered features.
LOCAL = RNG.normal(size=(2, 3, 4))
# Engineered 0 and 1 come from raw 0, 2 from raw 1, 3 from both: raw 1 has three times the share of raw 0.
MAP = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 3.0]])
SHARES = np.array([[1.0, 1.0, 0.0, 0.25], [0.0, 0.0, 1.0, 0.75]])


def engineered(**given: Any) -> Explanation:
    given.setdefault("local", LOCAL)
    return Explanation.from_arrays(classes=["no", "yes"], base_values=[0.4, 0.6], **given)


def test_raw_values_are_the_shares_of_the_engineered_ones_and_rows_keep_their_sums() -> None:
    source = engineered()
    raw = source.get_raw_explanation([MAP])
    by_hand = LOCAL[..., 0] + LOCAL[..., 1] + 0.25 * LOCAL[..., 3], LOCAL[..., 2] + 0.75 * LOCAL[..., 3]
    np.testing.assert_allclose(raw.local_importance_values, np.stack(by_hand, axis=-1), atol=1e-15)
    np.testing.assert_allclose(raw.local_importance_values.sum(-1), LOCAL.sum(-1), atol=1e-12)
    np.testing.assert_array_equal(raw.expected_values, source.expected_values)
    assert raw.is_raw
    assert not source.is_raw
    assert raw.id != source.id
    assert raw.features == ("feature_0", "feature_1")
    assert "1 engineered features come from several raw ones" in raw.info.notes[-1]


def test_global_importances_are_those_of_the_raw_rows_not_sums_of_engineered_ones() -> None:
    # Two engineered features of one raw one that cancel: the raw one has no effect at all.
    local = np.array([[1.0, -1.0], [-2.0, 2.0]])
    raw = Explanation.from_arrays(local=local).get_raw_explanation(np.ones((1, 2)))
    assert raw.global_importance_values.tolist() == [0.0]
    assert raw.info.notes == ()
    raw = engineered().get_raw_explanation([MAP])
    np.testing.assert_allclose(raw.per_class_values, np.abs(raw.local_importance_values).mean(axis=1))
    np.testing.assert_allclose(raw.global_importance_values, raw.per_class_values.mean(axis=0))


def test_without_local_importances_the_global_ones_are_added_up_and_a_note_says_so() -> None:
    source = engineered(local=None, per_class=np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 8.0]]))
    raw = source.get_raw_explanation([MAP])
    np.testing.assert_allclose(raw.per_class_values, [[4.0, 6.0], [3.0, 6.0]])
    np.testing.assert_allclose(raw.global_importance_values, [3.5, 6.0])
    assert raw.local_importances is None
    assert "upper bounds" in raw.info.notes[0]


def test_an_explanation_of_rows_only_stays_one() -> None:
    raw = engineered(include_global=False).get_raw_explanation(MAP)
    assert raw.global_importances is None
    assert raw.per_class_importances is None


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix"])
def test_sparse_maps_give_the_values_of_dense_ones(kind: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = engineered().get_raw_explanation([MAP])
    ours = engineered().get_raw_explanation([getattr(sparse, kind)(MAP)])
    np.testing.assert_allclose(ours.local_importance_values, dense.local_importance_values, atol=1e-15)
    np.testing.assert_allclose(ours.global_importance_values, dense.global_importance_values, atol=1e-15)


def test_several_maps_are_applied_one_after_the_other() -> None:
    first, second = RNG.uniform(size=(2, 3)), RNG.uniform(size=(3, 4))
    raw = engineered().get_raw_explanation([first, second])
    steps = engineered().get_raw_explanation([second])
    steps = Explanation.from_arrays(local=steps.local_importance_values, classes=["no", "yes"])
    wanted = steps.get_raw_explanation([first]).local_importance_values
    np.testing.assert_allclose(raw.local_importance_values, wanted, atol=1e-14)
    np.testing.assert_allclose(raw.local_importance_values.sum(-1), LOCAL.sum(-1), atol=1e-12)


def test_float32_stays_float32() -> None:
    raw = engineered(local=LOCAL.astype(np.float32)).get_raw_explanation([MAP])
    assert raw.local_importance_values.dtype == np.float32
    assert raw.global_importance_values.dtype == np.float32


def test_names_and_rows_are_the_raw_ones_and_predictions_are_kept() -> None:
    known = EvaluationData(
        names=tuple("abcd"), columns=tuple(np.arange(3.0) for _ in range(4)), predicted=np.array([0, 1, 1])
    )
    source = engineered(data=known)
    raw = source.get_raw_explanation([MAP])
    assert raw.eval_data is None
    assert raw.eval_y_predicted.tolist() == [0, 1, 1]
    rows = np.arange(6.0).reshape(3, 2)
    named = source.get_raw_explanation([MAP], ["age", "fare"], rows)
    assert named.features == named.data.names == ("age", "fare")
    np.testing.assert_array_equal(named.eval_data, rows)
    assert named.eval_y_predicted.tolist() == [0, 1, 1]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=["x", "y"])
    assert source.get_raw_explanation([MAP], eval_data=frame).features == ("x", "y")


@pytest.mark.parametrize(
    ("maps", "how", "message"),
    [
        ([-MAP], {}, r"holds the weight -1.0: weights are shares"),
        ([np.full((2, 4), np.nan)], {}, "holds the weight nan"),
        ([MAP[:1] * [1, 1, 0, 1]], {}, "column 2 of feature map 0 is all zero"),
        ([MAP[:, :3]], {}, "has 3 columns, and the explanation 4 engineered"),
        ([MAP, MAP], {}, "feature map 1 has 2 rows, and the one before it 4 columns"),
        ([], {}, "is empty"),
        ([MAP[0]], {}, r"shape \(4,\)"),
        ([MAP], {"raw_feature_names": ["a"]}, "has 1 names, the feature maps 2 rows"),
        ([MAP], {"eval_data": np.zeros((5, 2))}, r"shape \(5, 2\).*have \(3, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(maps: Any, how: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        engineered().get_raw_explanation(maps, **how)


def test_raw_and_cut_explanations_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="raw features already"):
        engineered().get_raw_explanation([MAP]).get_raw_explanation([np.eye(2)])
    with pytest.raises(InvalidArgumentError, match="cut to its top 2"):
        engineered().cut(2).get_raw_explanation([MAP])
