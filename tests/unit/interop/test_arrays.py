"""Explanations from plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from explanation_client import EvaluationData, Explanation
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError

RNG = np.random.default_rng(7)
VALUES = RNG.standard_normal((3, 5, 4))


@pytest.mark.parametrize(
    ("given", "shape", "task"),
    [
        (VALUES[0], (1, 5, 4), "regression"),
        (VALUES, (3, 5, 4), "classification"),
        (list(VALUES), (3, 5, 4), "classification"),
        (VALUES.tolist(), (3, 5, 4), "classification"),
        (VALUES[0, 0], (1, 1, 4), "regression"),
        (csr_matrix(VALUES[0]), (1, 5, 4), "regression"),
        ([csr_matrix(part) for part in VALUES], (3, 5, 4), "classification"),
    ],
    ids=["rows", "outputs", "list of arrays", "lists", "one row", "sparse", "list of sparse"],
)
def test_local_values_of_any_form_are_kept(given: Any, shape: tuple[int, ...], task: str) -> None:
    explanation = Explanation.from_arrays(local=given)
    assert explanation.local_importances is not None
    np.testing.assert_array_equal(
        explanation.local_importances.values, VALUES.reshape(-1)[: np.prod(shape)].reshape(shape)
    )
    assert explanation.model_task == task
    assert explanation.info.single_row == (shape == (1, 1, 4))


def test_global_and_per_class_importances_are_means_of_absolute_values() -> None:
    explanation = Explanation.from_arrays(local=VALUES, classes=["a", "b", "c"])
    np.testing.assert_allclose(explanation.per_class_values, np.abs(VALUES).mean(axis=1))
    np.testing.assert_allclose(explanation.global_importance_values, np.abs(VALUES).mean(axis=(0, 1)))
    assert explanation.classes == ("a", "b", "c")


def test_given_aggregates_are_kept_as_they_are() -> None:
    whole, per_class = np.arange(4.0), np.arange(12.0).reshape(3, 4)
    explanation = Explanation.from_arrays(local=VALUES, global_=whole, per_class=per_class)
    np.testing.assert_array_equal(explanation.global_importance_values, whole)
    np.testing.assert_array_equal(explanation.per_class_values, per_class)


def test_nothing_global_is_computed_where_it_is_not_wanted() -> None:
    explanation = Explanation.from_arrays(local=VALUES, include_global=False)
    assert explanation.global_importances is None
    assert explanation.per_class_importances is None


def test_global_importances_alone_are_an_explanation() -> None:
    explanation = Explanation.from_arrays(global_=[3, 1, 2], features=["a", "b", "c"])
    assert explanation.get_ranked_global_names().tolist() == ["a", "c", "b"]
    assert explanation.num_examples == 0


def test_one_margin_of_two_classes_is_mirrored_to_the_last_bit() -> None:
    explanation = Explanation.from_arrays(local=VALUES[0], classes=["no", "yes"], base_values=0.3)
    assert explanation.local_importances is not None
    np.testing.assert_array_equal(explanation.local_importances.values, [-VALUES[0], VALUES[0]])
    assert explanation.expected_values.tolist() == [-0.3, 0.3]


def test_base_values_of_a_probability_add_up_to_one() -> None:
    explanation = Explanation.from_arrays(
        local=VALUES[0], classes=["no", "yes"], base_values=0.3, output_space="probability"
    )
    assert explanation.expected_values.tolist() == [0.7, 0.3]
    assert explanation.info.output_space == "probability"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float32"),
        ("int8", "float64"),
        ("bool", "float64"),
        ("object", "float64"),
    ],
)
def test_numbers_of_any_type_become_the_nearest_float(given: str, kept: str) -> None:
    values = np.array([[0, 1], [1, 1]]).astype(given)
    explanation = Explanation.from_arrays(local=values)
    assert explanation.local_importances is not None
    assert explanation.local_importances.dtype == kept
    assert explanation.local_importance_values.tolist() == [[0, 1], [1, 1]]


class TestNamesAndRows:
    ROWS = pd.DataFrame({"x": [1, 2], "text": ["a", "b"]}, index=["first", "second"])

    def test_are_those_of_the_data(self) -> None:
        explanation = Explanation.from_arrays(local=np.ones((2, 2)), data=self.ROWS)
        assert explanation.features == ("x", "text")
        assert explanation.data is not None
        assert explanation.data.row_names is not None
        assert explanation.data.row_names.tolist() == ["first", "second"]
        assert explanation.data.columns is not None
        assert explanation.data.columns[0].dtype == np.int64

    def test_given_names_are_those_of_the_data_too(self) -> None:
        explanation = Explanation.from_arrays(local=np.ones((2, 2)), data=self.ROWS, features=["a", "b"])
        assert explanation.features == ("a", "b")
        assert explanation.data is not None
        assert explanation.data.names == ("a", "b")

    def test_positions_name_features_that_have_no_name(self) -> None:
        explanation = Explanation.from_arrays(local=np.ones((2, 2)), data=np.ones((2, 2)))
        assert explanation.features == ("feature_0", "feature_1")
        assert explanation.data is not None
        assert explanation.data.names == explanation.features

    def test_evaluation_data_brings_predictions(self) -> None:
        data = EvaluationData(predicted=np.array([1.0, 2.0]))
        explanation = Explanation.from_arrays(local=np.ones((2, 2)), data=data)
        assert explanation.eval_y_predicted is not None
        assert explanation.eval_y_predicted.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "neither global, per-class nor local|no features"),
        ({"local": np.ones((2, 2, 2, 2))}, "shape (2, 2, 2, 2)"),
        ({"local": [[1.0, 2.0], [3.0]]}, "rectangular"),
        ({"local": np.ones((0, 3))}, "nothing in them"),
        ({"local": [[1.0, np.nan]]}, "must be finite"),
        ({"local": [[1.0, np.inf]]}, "must be finite"),
        ({"local": [["a", "b"]]}, "real numbers"),
        ({"local": [[1j, 2j]]}, "real numbers"),
        ({"local": [[1, "b"]]}, "number"),
        ({"local": [[1, None]]}, "must be finite"),
        ({"local": VALUES, "features": ["a"]}, "1 feature names were given, and values of 4 features"),
        ({"local": VALUES[0], "features": ["a", "a", "b", "c"]}, "both named 'a'"),
        ({"local": VALUES, "classes": ["a", "b"]}, "2 classes"),
        ({"local": VALUES, "base_values": [1.0, 2.0]}, "base values have shape (2,), expected (3,)"),
        ({"local": VALUES, "base_values": np.ones((3, 5))}, "base values have shape (3, 5)"),
        ({"local": VALUES, "base_values": [1.0, 2.0, np.nan]}, "base values must be finite"),
        ({"local": VALUES, "task": "regression"}, "one explanation for each target"),
        ({"local": VALUES[0], "task": "regression", "classes": ["a", "b"]}, "task='regression'"),
        ({"local": VALUES[0], "task": "classification"}, "pass classes="),
        ({"local": VALUES[0], "classes": ["a", "b", "c"]}, "3 classes"),
        ({"local": VALUES, "task": "ranking"}, "task='ranking'"),
        ({"local": VALUES, "global_": np.ones(5)}, "(5,)"),
        ({"local": VALUES, "per_class": np.ones((2, 4))}, "(2, 4)"),
        ({"local": VALUES, "data": np.ones((5, 3))}, "3 columns, and there are values of 4 features"),
        ({"local": VALUES, "data": np.ones((6, 4))}, "6 rows, 5 were explained"),
        ({"local": VALUES, "data": "rows.csv"}, "pass a numpy array"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_shape(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((InvalidExplanationError, InvalidArgumentError)) as caught:
        Explanation.from_arrays(**arguments)
    assert any(word in str(caught.value) for word in words.split("|"))
