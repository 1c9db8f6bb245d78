"""Rows of every form, and rows that are wrong: refused before anything compiled sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from explanation_client.errors import ExplanationError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import TreeExplainer
from explanation_client.scoring import ScoringExplainer
from tests.unit.scoring.conftest import NAMES, RNG, X

FRAME = pd.DataFrame(X[:4], columns=list(NAMES))


@pytest.mark.parametrize(
    "rows",
    [
        X[:4].tolist(),
        tuple(map(tuple, X[:4])),
        list(X[:4]),
        np.asfortranarray(X[:4]),
        FRAME,
        FRAME[["debt", "age", "income"]],
        FRAME.astype(object),
        FRAME.to_dict("records"),
        pa.table(FRAME),
        csr_matrix(X[:4]),
    ],
    ids=["lists", "tuples", "arrays", "columns first", "frame", "other order", "objects", "records", "arrow", "sparse"],
)
def test_rows_of_every_form_are_the_same_rows(of_trees: ScoringExplainer, rows: Any) -> None:
    np.testing.assert_array_equal(of_trees.explain(rows), of_trees.explain(X[:4]))


def test_one_row_may_be_a_mapping_or_a_series(of_trees: ScoringExplainer) -> None:
    expected = of_trees.explain(X[0])
    np.testing.assert_array_equal(of_trees.explain(dict(zip(NAMES, X[0], strict=True))), expected)
    np.testing.assert_array_equal(of_trees.explain(FRAME.iloc[0]), expected)


def test_none_is_a_missing_number(of_trees: ScoringExplainer) -> None:
    missing = of_trees.explain([[None, 0.5, 1]])
    np.testing.assert_array_equal(missing, of_trees.explain([[float("nan"), 0.5, 1.0]]))


WRONG: dict[str, tuple[Any, str]] = {
    "too short": ([[1.0, 2.0]], "2 values"),
    "too long": ([[1.0, 2.0, 3.0, 4.0]], "4 values"),
    "one row too short": ([1.0, 2.0], "2 columns"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "row 1 is 1 values"),
    "rows and numbers": ([[1.0, 2.0, 3.0], 4.0], "row 1 is a float"),
    "an array too narrow": (np.zeros((2, 2)), "2 columns"),
    "three axes": (np.zeros((1, 1, 3)), "shape"),
    "text": ([["a", 1.0, 2.0]], "'age' holds 'a'"),
    "text of digits": ([["1", 1.0, 2.0]], "'age' holds '1'"),
    "text in a frame": (FRAME.astype({"income": str}), "'income'"),
    "a list in a cell": ([[[1.0], 1.0, 2.0]], "'age' holds"),
    "a number without end": ([[10**400, 1.0, 2.0]], "too large"),
    "complex numbers": (np.zeros((1, 3), complex), "takes numbers there"),
    "no rows": ([], "shape"),
    "nothing": (None, "NoneType"),
    "a text": ("abc", "a str"),
    "a record too short": ({"age": 1.0, "income": 2.0}, r"lacks \['debt'\]"),
    "a record of other names": ([{"age": 1, "income": 2, "dept": 3}], r"has \['dept'\]"),
    "records and lists": ([{"age": 1, "income": 2, "debt": 3}, [1, 2, 3]], "row 1"),
    "other columns": (FRAME.rename(columns={"age": "years"}), "years"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows_are_refused(of_trees: ScoringExplainer, case: str) -> None:
    rows, said = WRONG[case]
    for call in (of_trees.explain, of_trees.predict, of_trees.score):
        with pytest.raises(InvalidArgumentError, match=said):
            call(rows)


cells = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.floats(), max_size=2)
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(cells, max_size=4) | cells, max_size=4))
def test_whatever_json_holds_is_explained_or_refused(of_trees: ScoringExplainer, rows: Any) -> None:
    try:
        values = of_trees.explain(rows)
    except ExplanationError:
        return
    assert values.shape in {(2, 3), (2, len(rows), 3)}
    assert np.isfinite(values).all()


def test_a_linear_model_takes_finite_numbers_only(of_a_line: ScoringExplainer) -> None:
    with pytest.raises(InvalidArgumentError, match="column 'income' of row 1 is nan"):
        of_a_line.explain([[1.0, 2.0, 3.0], [1.0, None, 3.0]])


def test_raw_rows_get_the_types_that_the_transformations_know(of_raw_rows: ScoringExplainer) -> None:
    expected = of_raw_rows.explain(pd.DataFrame({"city": ["Rome"], "age": [0.5]}))
    for rows in ([["Rome", 0.5]], [{"age": 0.5, "city": "Rome"}], np.array([["Rome", 0.5]], object)):
        np.testing.assert_array_equal(of_raw_rows.explain(rows), expected)
    with pytest.raises(InvalidArgumentError, match="'age' holds"):
        of_raw_rows.explain([["Rome", "old"]])


def test_pandas_categories_of_lightgbm_are_explained_by_their_codes() -> None:
    import lightgbm

    frame = pd.DataFrame({"city": pd.Categorical(np.array(["a", "b", "c"])[RNG.integers(3, size=60)]), "age": X[:, 0]})
    target = X[:, 0] + (frame["city"] == "b")
    model = lightgbm.LGBMRegressor(n_estimators=4, min_child_samples=3, verbose=-1, n_jobs=1).fit(frame, target)
    found = TreeExplainer(model, frame, show_progress=False).create_scoring_explainer()
    assert "lightgbm" not in found.packages
    own = np.asarray(model.predict(frame.iloc[:5], pred_contrib=True))
    np.testing.assert_allclose(found.explain(frame.iloc[:5].to_numpy(object)), own[:, :-1], atol=1e-12)
    # A category that the model has not seen is missing to it.
    unseen = found.explain([["zz", 0.1]])
    missing = frame.iloc[:1].assign(city=pd.Categorical([None], categories=["a", "b", "c"]), age=0.1)
    np.testing.assert_allclose(unseen, np.asarray(model.predict(missing, pred_contrib=True))[:, :-1], atol=1e-12)


def test_what_the_model_refuses_is_not_explained_either(of_trees: ScoringExplainer) -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(n_estimators=2, random_state=0).fit(X, X[:, 0])
    strict = TreeExplainer(model, features=NAMES, show_progress=False).create_scoring_explainer()
    for value, shown in ((None, "nan"), (float("inf"), "inf")):
        with pytest.raises(InvalidArgumentError, match=f"column 'debt' of row 0 is {shown}"):
            strict.explain([[0.1, 0.2, value]])
    # Forests take missing values, and no infinite ones.
    assert of_trees.explain([[0.1, 0.2, None]]).shape == (2, 1, 3)
    with pytest.raises(InvalidArgumentError, match="is inf"):
        of_trees.explain([[0.1, 0.2, float("inf")]])


def test_what_transformations_and_models_refuse_is_said_in_one_way(
    of_raw_rows: ScoringExplainer, of_any_model: ScoringExplainer
) -> None:
    with pytest.raises(UnsupportedModelError, match=r"the transformation does not take these rows: .*Atlantis"):
        of_raw_rows.explain([["Atlantis", 0.5]])
    for call in (of_any_model.explain, of_any_model.predict):
        with pytest.raises(UnsupportedModelError, match="GaussianNB does not take these rows"):
            call([[0.1, 0.2, None]])
