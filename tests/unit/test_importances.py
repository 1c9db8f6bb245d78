"""Ranking, cutting and adding up importances."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.importances import Importances, LazyImportances, aggregate, check_finite, same_bits


def test_ranked_puts_the_largest_absolute_value_first() -> None:
    ranked = Importances(np.array([0.1, -3.0, 2.0])).ranked()
    assert ranked.values.tolist() == [-3.0, 2.0, 0.1]
    assert ranked.index is not None
    assert ranked.index.tolist() == [1, 2, 0]


def test_signed_ranking_puts_the_largest_value_first() -> None:
    assert Importances(np.array([0.1, -3.0, 2.0])).ranked(by="signed").values.tolist() == [2.0, 0.1, -3.0]


@pytest.mark.parametrize("top_k", [1, 2, 5, 11, 12])
def test_ties_keep_the_order_of_the_features(top_k: int) -> None:
    values = np.array([[1.0, -2.0, 2.0, 0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 0.5, -0.5, 0.5]])
    ranked = Importances(values).ranked(top_k)
    by_hand = sorted(range(12), key=lambda i: (-abs(values[0, i]), i))[:top_k]
    assert ranked.index is not None
    assert ranked.index[0].tolist() == by_hand


def test_a_cut_keeps_the_sum_of_what_it_left_out() -> None:
    whole = Importances(np.array([[1.0, 2.0, -4.0], [8.0, 0.0, 0.0]]))
    cut = whole.ranked(1)
    assert cut.values.tolist() == [[-4.0], [8.0]]
    assert cut.rest.tolist() == [3.0, 0.0]


def test_cutting_twice_equals_cutting_once() -> None:
    values = np.random.default_rng(0).standard_normal((3, 40, 25)).astype(np.float32)
    assert Importances(values).ranked(10).ranked(4).same_as(Importances(values).ranked(4))


def test_the_total_does_not_depend_on_the_memory_layout() -> None:
    values = np.random.default_rng(1).standard_normal((200, 33))
    assert same_bits(Importances(values).totals, Importances(np.asfortranarray(values)).totals)


def test_blocks_of_rows_give_what_one_block_gives() -> None:
    values = np.random.default_rng(2).standard_normal((3000, 700))
    ranked = Importances(values).ranked(5)
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")[:, :5]
    assert np.array_equal(ranked.index, order)


@pytest.mark.parametrize("top_k", [0, -1, 4, 1.5, True, "2"])
def test_a_top_k_out_of_range_names_the_value_and_the_range(top_k: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"top_k=.*3"):
        Importances(np.ones(3)).ranked(top_k)


def test_an_unknown_ranking_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="magnitude"):
        Importances(np.ones(3)).ranked(by="size")  # type: ignore[arg-type]


def test_names_follow_the_index() -> None:
    importances = Importances(np.array([[1.0, 2.0], [4.0, 3.0]]))
    assert importances.ranked().names(("a", "b")).tolist() == [["b", "a"], ["a", "b"]]
    assert importances.names(("a", "b")).tolist() == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((np.ones(3, dtype=int),), "float32 or float64"),
        (([1.0],), "float32 or float64"),
        ((np.array(1.0),), "feature axis"),
        ((np.ones(3), np.zeros(2, np.int32), np.float64(0)), "must be equal"),
        ((np.ones((2, 3)), np.zeros((2, 3), np.int32), None), "total"),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments: tuple[Any, ...], reason: str) -> None:
    with pytest.raises(InvalidExplanationError, match=reason):
        Importances(*arguments)


def test_aggregates_are_means_of_absolute_values() -> None:
    whole, per_class = aggregate(Importances(np.array([[[1.0, -2.0], [3.0, 0.0]], [[-1.0, 1.0], [1.0, 1.0]]])))
    assert per_class.values.tolist() == [[2.0, 1.0], [1.0, 1.0]]
    assert whole.values.tolist() == [1.5, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named_with_their_place(bad: float) -> None:
    values = np.zeros((2, 3, 2))
    values[1, 2, 0] = bad
    with pytest.raises(InvalidExplanationError, match=r"local importances hold .*\(1, 2\).*'age'"):
        check_finite(values, ("age", "sex"), "local")


class ArrayReader:
    """Reads from an array in memory, and counts what it was asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.importances = Importances(values)
        self.asked: list[tuple[str, slice, slice]] = []

    @property
    def shape(self) -> tuple[int, int, int]:
        outputs, rows, features = self.importances.shape
        return outputs, rows, features

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.importances.dtype

    @property
    def is_ranked(self) -> bool:
        return False

    def read(self, outputs: slice, rows: slice) -> Importances:
        self.asked.append(("read", outputs, rows))
        return self.importances.take((outputs, rows))

    def read_ranked(self, top_k: int, outputs: slice, rows: slice) -> Importances:
        self.asked.append(("ranked", outputs, rows))
        return self.importances.take((outputs, rows)).ranked(top_k)


@pytest.fixture
def reader() -> ArrayReader:
    return ArrayReader(np.random.default_rng(3).standard_normal((2, 10, 6)))


def test_shape_and_dtype_are_known_without_reading(reader: ArrayReader) -> None:
    lazy = LazyImportances(reader)
    assert (lazy.shape, lazy.dtype, lazy.is_ranked) == ((2, 10, 6), np.float64, False)
    assert reader.asked == []


def test_values_are_read_once(reader: ArrayReader) -> None:
    lazy = LazyImportances(reader)
    assert np.array_equal(lazy.values, lazy.load().values)
    assert len(reader.asked) == 1


def test_rows_of_unread_values_are_read_alone(reader: ArrayReader) -> None:
    part = LazyImportances(reader).take((slice(None), slice(3, 9))).take((slice(1, 2), slice(1, -1)))
    assert np.array_equal(part.values, reader.importances.values[1:2, 4:8])
    assert reader.asked == [("read", slice(1, 2), slice(4, 8))]


def test_a_ranking_of_unread_values_asks_for_the_ranked_ones(reader: ArrayReader) -> None:
    lazy = LazyImportances(reader)
    assert lazy.ranked(2).same_as(reader.importances.ranked(2))
    assert lazy.cut(3).shape == (2, 10, 3)
    assert lazy.cut(3).same_as(reader.importances.ranked(3))
    assert {kind for kind, _, _ in reader.asked} == {"ranked"}


def test_a_cut_beyond_what_there_is_is_refused_before_reading(reader: ArrayReader) -> None:
    for ask in (lambda: LazyImportances(reader, top_k=7), lambda: LazyImportances(reader).ranked(7)):
        with pytest.raises(InvalidArgumentError, match="at most 6"):
            ask()
    assert reader.asked == []


def test_pickling_takes_the_values_along(reader: ArrayReader) -> None:
    copy = pickle.loads(pickle.dumps(LazyImportances(reader)))
    assert isinstance(copy, Importances)
    assert copy.same_as(reader.importances)
