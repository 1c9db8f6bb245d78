"""The accessors of an explanation: names, shapes and meaning, cut and uncut."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, PartMissingError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from tests.strategies import explanation_of, random_explanation

F, K = 6, 2


@pytest.mark.parametrize(
    ("outputs", "rows", "single", "leading"),
    [
        (1, 4, False, (4,)),
        (1, 1, False, (1,)),
        (1, 1, True, ()),
        (2, 4, False, (2, 4)),
        (2, 1, True, (2,)),
        (3, 4, False, (3, 4)),
        (3, 1, False, (3, 1)),
        (3, 1, True, (3,)),
    ],
)
def test_shapes_are_those_of_the_original(outputs: int, rows: int, single: bool, leading: tuple[int, ...]) -> None:
    explanation = explanation_of(np.random.default_rng(0).standard_normal((outputs, rows, F)), single_row=single)
    assert explanation.local_importance_values.shape == (*leading, F)
    assert explanation.local_importance_rank.shape == (*leading, F)
    assert explanation.get_ranked_local_values().shape == (*leading, F)
    assert explanation.get_ranked_local_values(top_k=K).shape == (*leading, K)
    assert explanation.get_ranked_local_names(top_k=K).shape == (*leading, K)
    assert explanation.global_importance_values.shape == (F,)
    assert explanation.get_ranked_global_names(K).shape == (K,)
    assert explanation.expected_values.shape == (outputs,)
    cut = explanation.cut(K)
    assert cut.local_importance_values.shape == (*leading, K)
    assert cut.get_ranked_local_names().shape == (*leading, K)
    assert cut.global_importance_values.shape == cut.global_importance_rank.shape == (K,)
    if outputs > 1:
        assert explanation.per_class_values.shape == explanation.per_class_rank.shape == (outputs, F)
        assert explanation.get_ranked_per_class_names(K).shape == (outputs, K)
        assert cut.get_ranked_per_class_values().shape == (outputs, K)


def test_the_identity_of_an_explanation_is_that_of_its_info() -> None:
    explanation = random_explanation(2, 4, F)
    assert explanation.id == explanation.info.id
    assert explanation.method == "shap_tree"
    assert explanation.model_task == "classification"
    assert explanation.classes == ("class 0", "class 1")
    assert (explanation.num_features, explanation.num_examples, explanation.num_classes) == (F, 4, 2)
    assert (explanation.is_raw, explanation.is_engineered) == (False, False)
    regression = random_explanation(1, 4, F)
    assert (regression.classes, regression.num_classes, regression.model_task) == (None, None, "regression")


def test_ranked_global_names_and_values_belong_together() -> None:
    explanation = explanation_of(np.array([[[1.0, -3.0, 2.0]]]), features=("a", "b", "c"))
    assert explanation.get_ranked_global_names().tolist() == ["b", "c", "a"]
    assert explanation.get_ranked_global_values().tolist() == [3.0, 2.0, 1.0]
    assert explanation.get_feature_importance_dict(2) == {"b": 3.0, "c": 2.0}
    assert list(explanation.get_feature_importance_dict()) == ["b", "c", "a"]


def test_local_values_rank_by_magnitude_and_on_request_by_sign() -> None:
    explanation = explanation_of(np.array([[[1.0, -3.0, 2.0]]]), features=("a", "b", "c"))
    assert explanation.get_ranked_local_names()[0].tolist() == ["b", "c", "a"]
    assert explanation.get_ranked_local_names(by="signed")[0].tolist() == ["c", "a", "b"]
    assert explanation.get_ranked_local_values(by="signed")[0].tolist() == [2.0, 1.0, -3.0]


def test_rows_of_a_cut_explanation_still_add_up() -> None:
    explanation = random_explanation(3, 5, F)
    cut = explanation.cut(K)
    assert cut.local_importances is not None
    sums = cut.local_importances.values.sum(axis=-1) + cut.local_importances.rest
    assert explanation.local_importances is not None
    np.testing.assert_allclose(sums, explanation.local_importances.values.sum(axis=-1), atol=1e-12)


def test_cutting_more_than_a_cut_kept_says_so() -> None:
    with pytest.raises(InvalidArgumentError, match="cut to its top 2"):
        random_explanation(1, 3, F).cut(2).cut(3)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, 2), [0, 2, 4]),
        (-1, [4]),
        ([3, 0], [3, 0]),
        (np.array([True, False, False, True, False]), [0, 3]),
    ],
)
def test_slicing_by_rows(rows: Any, expected: list[int]) -> None:
    explanation = random_explanation(2, 5, F)
    part = explanation[rows]
    assert part.local_importances is not None
    assert explanation.local_importances is not None
    assert np.array_equal(part.local_importances.values, explanation.local_importances.values[:, expected])
    assert len(part) == part.num_examples == len(expected)
    assert part.id != explanation.id
    with pytest.raises(PartMissingError, match="global"):
        part.get_ranked_global_names()


def test_an_int_gives_a_single_row() -> None:
    explanation = random_explanation(2, 5, F)
    assert np.array_equal(explanation[3].local_importance_values, explanation.local_importance_values[:, 3])


@pytest.mark.parametrize("rows", [5, -6, [0, 9], np.array([True]), "0", slice(4, 2)])
def test_rows_that_do_not_exist_are_refused(rows: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"row|select"):
        random_explanation(2, 5, F)[rows]


def test_one_output_has_the_shape_of_a_regression() -> None:
    explanation = random_explanation(3, 5, F)
    for output in (1, "class 1"):
        part = explanation.output(output)
        assert np.array_equal(part.local_importance_values, explanation.local_importance_values[1])
        assert np.array_equal(part.global_importance_values, explanation.per_class_values[1])
        assert part.expected_values.shape == (1,)
    with pytest.raises(InvalidArgumentError, match="class 0"):
        explanation.output("malignant")


def test_evaluation_data_is_sliced_with_the_rows() -> None:
    explanation = random_explanation(1, 3, 2)
    data = EvaluationData.from_rows(np.arange(6.0).reshape(3, 2), names=explanation.features)
    part = replace(explanation, data=data)[1:]
    assert part.eval_data is not None
    assert part.eval_data.tolist() == [[2.0, 3.0], [4.0, 5.0]]


def test_a_missing_part_says_how_to_get_it() -> None:
    explanation = random_explanation(2, 3, F)
    bare = replace(explanation, local_importances=None, base_values=None)
    with pytest.raises(PartMissingError, match="include_local=True"):
        _ = bare.local_importance_values
    with pytest.raises(PartMissingError, match="base values"):
        _ = bare.expected_values
    assert not hasattr(bare, "local_importance_values")
    with pytest.raises(PartMissingError, match="no classes"):
        _ = random_explanation(1, 3, F).per_class_values


def test_every_problem_of_parts_that_do_not_fit_is_listed() -> None:
    explanation = random_explanation(2, 3, F)
    with pytest.raises(InvalidExplanationError) as caught:
        replace(
            explanation,
            features=("a", "a", "", "d"),
            base_values=np.zeros(3),
            data=EvaluationData(true=np.zeros(9)),
        )
    for expected in ("both named 'a'", "feature 2", "base values", "9 rows", "local importances have shape"):
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("features", "reason"),
    [((), "no features"), (("\ud800",), "no valid Unicode"), (("x" * 20_000,), "20000 bytes"), ((3,), "named 3")],
)
def test_unusable_names_are_refused(features: Any, reason: str) -> None:
    with pytest.raises(InvalidExplanationError, match=reason):
        explanation_of(np.zeros((1, 1, len(features))), features=features or None) if features else replace(
            random_explanation(1, 1, 1), features=()
        )


def test_no_rows_are_nothing_to_explain() -> None:
    with (
        pytest.raises(InvalidExplanationError, match="nothing to explain"),
        np.errstate(invalid="ignore"),
    ):
        explanation_of(np.zeros((1, 0, 2)), with_global=False)


def test_explanations_compare_by_content() -> None:
    explanation = random_explanation(2, 4, F)
    copy = replace(explanation, info=replace(explanation.info, id="other", comment="x"))
    assert explanation == copy
    assert explanation != random_explanation(2, 4, F, seed=1)
    assert explanation != replace(explanation, features=tuple("abcdef"))
    assert explanation != replace(explanation, local_importances=None)
    assert explanation != "explanation"
    with pytest.raises(TypeError, match="unhashable"):
        hash(explanation)


def test_the_sign_of_zero_is_content() -> None:
    assert explanation_of(np.zeros((1, 1, 1)), with_global=False) != explanation_of(
        -np.zeros((1, 1, 1)), with_global=False
    )


def test_explanations_pickle() -> None:
    explanation = random_explanation(3, 4, F)
    copy = pickle.loads(pickle.dumps(explanation))
    assert copy == explanation
    assert copy.info == explanation.info


def test_values_that_are_not_finite_are_found_in_every_part() -> None:
    explanation = random_explanation(2, 4, F)
    explanation.check_finite()
    bad = Importances(np.full(F, np.nan))
    endless = np.array([0, np.inf])
    for broken in (replace(explanation, global_importances=bad), replace(explanation, base_values=endless)):
        with pytest.raises(InvalidExplanationError, match="finite"):
            broken.check_finite()


def test_ids_sort_by_time() -> None:
    import time

    from explanation_client.info import new_id

    ids = []
    for _ in range(5):
        ids.append(new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert all(id_[14] == "7" and id_[19] in "89ab" for id_ in ids)


def test_parts_load_at_once() -> None:
    explanation = random_explanation(2, 4, F)
    assert isinstance(explanation.load(), Explanation)
    assert explanation.load() == explanation
