"""The explained documents: what fits together, what is cut, what is shown."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.documents import Documents, LazyDocuments, Sentences, widened
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from tests.strategies import explanation_of

FEATURES = ("the", "cat", "sat", "dog")


def documents(**changes: Any) -> Documents:
    """Return two documents: "the cat sat the" and "dog"."""
    made: dict[str, Any] = {
        "texts": np.array(["the cat sat the", "dog"], object),
        "offsets": np.array([0, 4, 5]),
        "starts": np.array([0, 4, 8, 12, 0], np.int32),
        "ends": np.array([3, 7, 11, 15, 3], np.int32),
        "words": np.array([0, 1, 2, 0, 3], np.int32),
        "values": np.array([[1.0, -3.0, 0.5, 0.25, 2.0], [0.0, 1.0, 0.0, -4.0, 0.0]]),
        "weights": np.array([0.1, 0.2, 0.3, 0.4, 1.0]),
        "sentences": Sentences(
            offsets=np.array([0, 2, 3]),
            starts=np.array([0, 8, 0], np.int32),
            ends=np.array([7, 15, 3], np.int32),
            weights=np.array([0.25, 0.75, 1.0]),
        ),
    }
    return Documents(**{**made, **changes})


def explanation() -> Explanation:
    dense = np.zeros((2, 2, 4))
    dense[0] = [[1.25, -3.0, 0.5, 0.0], [0.0, 0.0, 0.0, 2.0]]
    dense[1] = [[-4.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    made = documents()
    local = made.local_importances(4)
    return replace(explanation_of(dense, features=FEATURES), local_importances=local, documents=made)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a text that is none": ({"texts": np.array(["the cat sat the", None], object)}, "one string for each"),
    "whole numbers as values": ({"values": np.ones((2, 5), np.int64)}, "dtype int64"),
    "values of other tokens": ({"values": np.ones((2, 4))}, "differ in length"),
    "weights of other tokens": ({"weights": np.ones(4)}, "differ in length"),
    "wide positions": ({"words": np.zeros(5, np.int64)}, "not all int32"),
    "a negative feature": ({"words": np.array([0, 1, 2, 0, -1], np.int32)}, "feature -1"),
    "offsets of other documents": ({"offsets": np.array([0, 5])}, "offsets of shape"),
    "offsets that end early": ({"offsets": np.array([0, 3, 4])}, "go from 0 to 5"),
    "offsets that go back": ({"offsets": np.array([0, 6, 5])}, "go from 0 to 5"),
    "a token outside": ({"ends": np.array([3, 7, 11, 16, 3], np.int32)}, "document 0 .* 12 to 16"),
    "an empty token": ({"ends": np.array([0, 7, 11, 15, 3], np.int32)}, "document 0 .* 0 to 0"),
    "tokens that overlap": ({"starts": np.array([0, 2, 8, 12, 0], np.int32)}, "document 0 .* 2 to 7"),
    "a token before the text": ({"starts": np.array([0, 4, 8, 12, -1], np.int32)}, "document 1 .* -1 to 3"),
    "sentences of other documents": (
        {"sentences": replace(documents().sentences, offsets=np.array([0, 3]))},  # type: ignore[type-var]
        "sentences are of 1 documents",
    ),
    "weights of other sentences": (
        {"sentences": replace(documents().sentences, weights=np.ones(2))},  # type: ignore[type-var]
        "weights of",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_parts_that_do_not_fit_together_are_refused(case: str) -> None:
    changes, problem = WRONG[case]
    with pytest.raises(InvalidExplanationError, match=problem):
        documents(**changes)


def test_a_document_reads_as_it_was_written() -> None:
    first, second = documents()
    assert first.tokens == ("the", "cat", "sat", "the")
    assert first.values[1].tolist() == [0.0, 1.0, 0.0, -4.0]
    assert first.sentences == ((0, 7, 0.25), (8, 15, 0.75))
    assert second.text == "dog"
    assert documents()[-1].tokens == second.tokens == ("dog",)
    with pytest.raises(IndexError, match="document 2"):
        documents()[2]
    with pytest.raises(InvalidArgumentError, match="take"):
        documents()[0:1]


def test_occurrences_of_a_word_add_up_to_its_local_importance() -> None:
    local = documents().local_importances(4)
    assert local.index is not None
    assert local.values[0].tolist() == [[-3.0, 1.25, 0.5], [2.0, 0.0, 0.0]]
    assert local.index[0].tolist() == [[1, 0, 2], [3, 0, 1]]
    assert local.totals.tolist() == [[-1.25, 2.0], [-3.0, 0.0]]


@st.composite
def ragged(draw: st.DrawFn) -> tuple[Documents, int]:
    """Draw documents of words of one character, and the number of features."""
    n_features, n_outputs = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    words = draw(st.lists(st.lists(st.integers(0, n_features - 1), max_size=7), min_size=1, max_size=5))
    counts = [len(some) for some in words]
    places = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    values = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, 3.0])
    drawn = draw(st.lists(values, min_size=n_outputs * len(places), max_size=n_outputs * len(places)))
    made = Documents(
        texts=np.array(["x" * count for count in counts], object),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        starts=places,
        ends=places + np.int32(1),
        words=np.array([word for some in words for word in some], np.int32),
        values=np.array(drawn, np.float64).reshape(n_outputs, len(places)),
    )
    return made, n_features


@settings(max_examples=40)
@given(ragged())
def test_local_importances_are_those_of_all_features_ranked(case: tuple[Documents, int]) -> None:
    made, n_features = case
    dense = np.zeros((made.n_outputs, made.n_rows, n_features))
    for row, document in enumerate(made):
        for output, values in enumerate(document.values):
            np.add.at(dense[output, row], document.words, values)
    local = made.local_importances(n_features)
    wanted = Importances(dense)
    if made.n_rows == 1:
        assert (local.values == dense).all()
        return
    # Sums of zeros have no sign to keep.
    ranked = wanted.ranked(local.shape[-1])
    assert np.array_equal(local.values, ranked.values)
    assert np.array_equal(local.index, ranked.index)
    assert np.array_equal(local.totals, wanted.totals)
    wide = widened(local, n_features, n_features)
    assert wide is not None
    whole = wanted.ranked(n_features)
    assert np.array_equal(wide.values, whole.values)
    assert np.array_equal(np.sort(wide.index, axis=-1), np.sort(whole.index, axis=-1))


def test_a_cut_keeps_the_importances_of_the_words_that_it_keeps() -> None:
    whole = explanation()
    cut = whole.cut(1)
    assert cut.documents is not None
    assert cut.documents.values[0].tolist() == [0.0, -3.0, 0.0, 0.0, 2.0]
    assert cut.documents.values[1].tolist() == [0.0, 0.0, 0.0, -4.0, 0.0]
    assert cut.documents.texts.tolist() == documents().texts.tolist()
    assert whole.cut(2).cut(1) == cut
    # More than any document has words.
    assert whole.cut(4).local_importance_values.shape == (2, 2, 4)
    assert whole.cut(4).cut(1) == cut


def test_rows_and_outputs_take_their_documents_with_them() -> None:
    whole = explanation()
    assert [d.text for d in whole[1:].documents] == ["dog"]  # type: ignore[union-attr]
    assert whole[[1, 0]].documents[1].tokens == ("the", "cat", "sat", "the")  # type: ignore[index]
    one = whole.output(1).documents
    assert one is not None
    assert one.values.tolist() == [[0.0, 1.0, 0.0, -4.0, 0.0]]
    assert whole[0].ordered_local_importance_values.tolist() == [[-3.0, 1.25, 0.5], [-4.0, 1.0, 0.0]]


def test_documents_count_where_explanations_are_compared_and_pickled() -> None:
    whole = explanation()
    other = replace(whole, documents=documents(weights=None))
    assert whole != other
    assert whole != replace(whole, documents=None)
    assert pickle.loads(pickle.dumps(whole)) == whole
    without = replace(documents(), sentences=None)
    assert not documents().same_as(without)
    assert not without.same_as(documents())


def test_documents_that_are_not_those_of_the_explanation_are_refused() -> None:
    whole = explanation()
    with pytest.raises(InvalidExplanationError, match="1 documents, 2 were explained"):
        replace(whole, documents=documents().take([0]))
    with pytest.raises(InvalidExplanationError, match="1 outputs, there are 2"):
        replace(whole, documents=documents().output(0))
    with pytest.raises(InvalidExplanationError, match="name feature 9"):
        replace(whole, documents=documents(words=np.array([0, 1, 2, 0, 9], np.int32)))
    with pytest.raises(InvalidExplanationError, match="no local importances"):
        replace(whole, local_importances=None)
    with pytest.raises(InvalidExplanationError, match="NaN"):
        replace(whole, documents=documents(values=np.full((2, 5), np.nan))).check_finite()


def test_documents_in_a_store_are_read_once_and_only_when_needed() -> None:
    reads: list[int] = []

    def read() -> Documents:
        reads.append(1)
        return documents()

    lazy = LazyDocuments(read, n_rows=2, n_outputs=2)
    part = lazy.take(slice(1, 2)).output(0).cut(Importances(np.ones((1, 1, 4))))
    assert (len(lazy), part.n_rows, part.n_outputs, reads) == (2, 1, 1, [])
    assert part[0].tokens == ("dog",)
    assert lazy.same_as(documents())
    assert lazy.n_tokens == len(lazy.starts) == len(lazy.ends) == len(lazy.words) == 5
    assert lazy.texts[1] == "dog"
    assert [document.text for document in lazy] == ["the cat sat the", "dog"]
    assert len(reads) == 2
    assert isinstance(pickle.loads(pickle.dumps(lazy)), Documents)


def test_what_a_notebook_shows_is_escaped_and_tinted_by_sign() -> None:
    text = "<b>bad</b>\u202e &amp good\0"
    made = Documents(
        texts=np.array([text], object),
        offsets=np.array([0, 2]),
        starts=np.array([3, text.index("good")], np.int32),
        ends=np.array([6, text.index("good") + 4], np.int32),
        words=np.array([0, 1], np.int32),
        values=np.array([[-1.0, 0.5]]),
    )
    page = made[0]._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "\0" not in page
    assert "\\u202e" in page
    assert "&amp;amp" in page
    assert page.index("211,84,0") < page.index("bad") < page.index("38,112,201") < page.index("good")
    assert made[0].to_html(0, label="<i>").startswith("<div")
    assert "&lt;i&gt;" in made[0].to_html(0, label="<i>")
    with pytest.raises(InvalidArgumentError, match="output=1"):
        made[0].to_html(1)


def test_a_long_document_is_shown_to_a_length() -> None:
    text = "word " * 10_000
    starts = np.arange(0, len(text), 5, np.int32)
    made = Documents(
        texts=np.array([text], object),
        offsets=np.array([0, len(starts)]),
        starts=starts,
        ends=starts + np.int32(4),
        words=np.zeros(len(starts), np.int32),
        values=np.zeros((1, len(starts))),
    )
    page = made[0].to_html()
    assert page.count("word ") == 4_000
    assert page.endswith("…</div>")
