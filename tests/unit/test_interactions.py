"""Interactions of pairs: the matrix, the pairs in order, cuts, and what does not fit."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, PartMissingError
from explanation_client.explanation import Explanation
from explanation_client.interactions import Interactions
from tests.golden.bundle import store
from tests.strategies import explanation_of, random_explanation

# Four features, of which d is the most important and b the least.
MATRIX = np.array([[0.1, 0.4, 0.2, 0.7], [0.4, 0.0, 0.3, 0.0], [0.2, 0.3, 0.5, 0.4], [0.7, 0.0, 0.4, 0.9]])
LOCAL = np.array([[[2.0, -0.5, 1.0, 3.0]]])
NAMES = ("a", "b", "c", "d")


def explanation() -> Explanation:
    return explanation_of(LOCAL, features=NAMES, interactions=Interactions(MATRIX[None]))


def test_pairs_are_ranked_without_main_effects_and_ties_keep_the_order_of_the_features() -> None:
    names, values = explanation().get_ranked_interactions()
    wanted = [("a", "d"), ("a", "b"), ("c", "d"), ("b", "c"), ("a", "c"), ("b", "d")]
    assert [tuple(pair) for pair in names] == wanted
    assert values.tolist() == [0.7, 0.4, 0.4, 0.3, 0.2, 0.0]
    names, values = explanation().get_ranked_interactions(top_k=2)
    assert names.tolist() == [["a", "d"], ["a", "b"]]
    assert values.shape == (2,)


@pytest.mark.parametrize("top_k", [0, -1, 7, True, 1.5])
def test_as_many_pairs_are_given_as_there_are(top_k: int) -> None:
    with pytest.raises(InvalidArgumentError, match="from 1 to 6 pairs"):
        explanation().get_ranked_interactions(top_k=top_k)


def test_one_feature_makes_no_pairs() -> None:
    names, values = random_explanation(1, 3, 1, interactions=True).get_ranked_interactions()
    assert names.shape == (0, 2)
    assert values.shape == (0,)


def test_a_regression_has_one_matrix_and_a_classifier_one_for_each_class() -> None:
    assert np.array_equal(explanation().interaction_values, MATRIX)
    classifier = random_explanation(3, 2, 4, interactions=True)
    assert classifier.interactions is not None
    assert classifier.interaction_values.shape == (3, 4, 4)
    one = classifier.output("class 1")
    assert np.array_equal(one.interaction_values, classifier.interaction_values[1])
    names, values = classifier.get_ranked_interactions(1)
    mean = np.triu(classifier.interaction_values.mean(axis=0), 1)
    assert names[0].tolist() == [classifier.features[i] for i in np.unravel_index(mean.argmax(), mean.shape)]
    assert values[0] == pytest.approx(mean.max())


def test_a_cut_keeps_the_pairs_among_the_globally_most_important_features() -> None:
    cut = explanation().cut(3)
    assert cut.interactions is not None
    assert cut.interactions.positions.tolist() == [3, 0, 2]
    assert np.array_equal(cut.interaction_values, MATRIX[np.ix_([3, 0, 2], [3, 0, 2])])
    assert cut.get_ranked_interactions(1)[0].tolist() == [["d", "a"]]
    assert cut.cut(2) == explanation().cut(2)


def test_without_global_importances_a_cut_keeps_the_first_features() -> None:
    cut = replace(explanation(), global_importances=None).cut(2)
    assert np.array_equal(cut.interaction_values, MATRIX[:2, :2])


def test_the_output_of_a_cut_explanation_can_be_cut_again() -> None:
    """The ranking of one class may hold features of which no pairs were kept."""
    local = np.array([[[5.0, 4.0, 0.1, 0.0]], [[0.0, 0.1, 1.0, 2.0]]])
    both = explanation_of(local, interactions=Interactions(np.stack([MATRIX, MATRIX])))
    cut = both.cut(2).output(1).cut(1)
    assert cut.global_importance_rank.tolist() == [3]
    assert cut.interaction_values.tolist() == [[0.1]]
    assert store(cut).open() == cut


def test_rows_have_no_interactions_since_these_are_of_all_rows() -> None:
    row = explanation()[0]
    assert row.interactions is None
    with pytest.raises(PartMissingError, match="explains rows only"):
        _ = row.interaction_values


def test_an_explanation_without_interactions_says_how_to_get_some() -> None:
    with pytest.raises(PartMissingError, match=r"TreeExplainer\(model, interactions=True\)"):
        random_explanation(1, 2, 3).get_ranked_interactions()
    with pytest.raises(PartMissingError, match="has no interactions"):
        random_explanation(1, 2, 3).to_frame("interactions")


def test_they_are_compared_bit_for_bit_and_pickled() -> None:
    one = explanation()
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != replace(one, interactions=None)
    changed = MATRIX.copy()
    changed[1, 3] = changed[3, 1] = -0.0
    assert one != replace(one, interactions=Interactions(changed[None]))


@pytest.mark.parametrize(
    ("values", "index", "problem"),
    [
        (MATRIX, None, r"shape \(4, 4\)"),
        (MATRIX[None, :3], None, r"shape \(1, 3, 4\)"),
        (np.ones((1, 0, 0)), None, r"shape \(1, 0, 0\)"),
        (MATRIX[None].astype(int), None, "int64"),
        (-MATRIX[None], None, r"absolute values, got -0\.9"),
        (np.triu(MATRIX)[None], None, "not symmetric"),
        (MATRIX[None, :2, :2], np.array([1, 1], np.int32), "twice"),
        (MATRIX[None, :2, :2], np.array([-1, 1], np.int32), "negative position"),
        (MATRIX[None, :2, :2], np.array([0, 1, 2], np.int32), r"shape \(3,\)"),
        (MATRIX[None, :2, :2], np.array([0, 1]), "int64"),
    ],
)
def test_what_is_no_symmetric_matrix_is_refused(values: np.ndarray, index: np.ndarray | None, problem: str) -> None:
    with pytest.raises(InvalidExplanationError, match=problem):
        Interactions(values, index)


@pytest.mark.parametrize(
    ("interactions", "problem"),
    [
        (Interactions(MATRIX[None, :3, :3]), r"shape \(1, 3, 3\), expected \(1, 4, 4\)"),
        (Interactions(np.stack([MATRIX, MATRIX])), r"shape \(2, 4, 4\), expected \(1, 4, 4\)"),
        (Interactions(MATRIX[None, :1, :1], np.array([4], np.int32)), "outside 0 to 3"),
        (Interactions(np.ones((1, 5, 5)), np.arange(5, dtype=np.int32)), "keep 5 of 4"),
    ],
)
def test_interactions_of_other_features_do_not_fit(interactions: Interactions, problem: str) -> None:
    with pytest.raises(InvalidExplanationError, match=problem):
        replace(explanation(), interactions=interactions)


def test_values_that_are_not_finite_are_named_and_not_stored() -> None:
    values = MATRIX[None].copy()
    values[0, 1, 2] = values[0, 2, 1] = np.nan
    spoiled = replace(explanation(), interactions=Interactions(values))
    for refuse in (spoiled.check_finite, lambda: store(spoiled)):
        with pytest.raises(InvalidExplanationError, match="nan for features 'b' and 'c'"):
            refuse()


def test_the_table_is_the_matrix() -> None:
    frame = explanation().to_frame("interactions")
    assert frame.index.tolist() == frame.columns.tolist() == list(NAMES)
    assert np.array_equal(frame.to_numpy(), MATRIX)
    cut = random_explanation(2, 3, 4, interactions=True).cut(2)
    frame = cut.to_frame("interactions")
    assert frame.index.names == ["output", "feature"]
    assert np.array_equal(frame.loc["class 1"].to_numpy(), cut.interaction_values[1])
    assert cut.to_frame("interactions", output=1).shape == (2, 2)
    hostile = explanation_of(
        LOCAL[..., :2], features=("feature", "output"), interactions=Interactions(np.ones((1, 2, 2)))
    )
    assert hostile.to_arrow("interactions").column_names == ["feature_", "feature", "output"]


def test_the_strongest_pairs_are_shown() -> None:
    text = repr(explanation())
    assert "local, interactions, base values" in text
    assert text.splitlines()[2] == "  interactions: a x d 0.7, a x b 0.4, c x d 0.4"
    assert "a x d 0.7" in explanation()._repr_html_()


def test_what_is_stored_is_read_on_first_use_only() -> None:
    wanted = random_explanation(2, 3, 30, interactions=True)
    bundle = store(wanted)
    assert bundle.manifest.info.parts == ("global", "per_class", "local", "interactions")
    read = bundle.open(top_k=4)
    assert "  interactions" not in repr(read)
    assert read.output(0).interactions is not None
    assert bundle.fetched_roles() == ["features", "per-class"]
    assert read.interactions is not None
    assert (read.interactions.shape, read.interactions.dtype) == ((2, 4, 4), np.float64)
    assert read.get_ranked_interactions(1)[1] == wanted.cut(4).get_ranked_interactions(1)[1]
    assert bundle.fetched_roles() == ["features", "interactions", "per-class"]
    assert pickle.loads(pickle.dumps(read)).interactions.same_as(wanted.cut(4).interactions)
