"""Words of documents, and copies that lack some of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.explainers.text.removal import shared_out
from explanation_client.explainers.text.sparse import fit_sparse
from explanation_client.explainers.text.words import WordReader, sentence_of


def tokens(text: str) -> list[str]:
    words = WordReader().read(text)
    return [text[start:end] for start, end in zip(words.starts, words.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Don't stop: it's 3.5 km!", ["Don't", "stop", "it's", "3", "5", "km"]),
        ("l\u2019été \u2013 naïve", ["l\u2019été", "naïve"]),
        ("好电影 good", ["好", "电", "影", "good"]),
        ("fine 😀👍🏽 ...", ["fine", "😀👍🏽"]),
        ("!?", ["!?"]),
        ("  \n", ["  \n"]),
        ("", []),
    ],
)
def test_words_are_found_in_what_people_write(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


def test_words_of_one_name_are_one_word() -> None:
    words = WordReader(name=str.lower).read("The cat the CAT")
    assert words.names == ("the", "cat")
    assert words.kinds.tolist() == [0, 1, 0, 1]


def test_a_blob_has_a_short_name_of_its_own() -> None:
    first, second = "x" * 5000, "x" * 4999 + "y"
    names = WordReader().read(f"{first} {second} {first}").names
    assert len(names) == 2
    assert all(len(name) < 120 for name in names)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_copies_of_no_words_are_empty_and_of_all_the_document(text: str) -> None:
    words = WordReader().read(text)
    everything = np.array([np.ones(len(words), bool), np.zeros(len(words), bool)])
    assert words.copies(everything) == [text if len(words) else "", ""]
    assert len(words) > 0 or not text


def test_a_word_takes_what_follows_it_along() -> None:
    words = WordReader().read("- One, two (three).")
    kept = np.array([[True, False, True], [False, True, False]])
    assert words.copies(kept) == ["- One, three).", "two ("]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two! Three", ["One.", "Two!", "Three"]),
        ("He said \u201cno.\u201d Then\n\nleft", ["He said \u201cno.\u201d", "Then", "left"]),
        ("v1.2 of x.y", ["v1.2 of x.y"]),
        ("好。不好!", ["好。", "不好!"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_should(text: str, wanted: list[str]) -> None:
    starts, ends = WordReader().read(text).sentences()
    assert [text[start:end] for start, end in zip(starts, ends, strict=True)] == wanted


@settings(max_examples=50)
@given(st.text(st.sampled_from("ab .!?\n。😀"), max_size=30))
def test_every_word_is_in_one_sentence(text: str) -> None:
    words = WordReader().read(text)
    starts, ends = words.sentences()
    if not text.strip():
        return
    places = sentence_of(words.starts.tolist(), starts)
    assert (places >= 0).all()
    assert (words.ends <= ends[places]).all() or len(words) == 1


def test_a_sparse_fit_finds_few_columns_among_more_than_there_are_answers() -> None:
    rng = np.random.default_rng(0)
    columns = (rng.random((80, 200)) < 0.4).astype(float)
    truth = np.zeros((200, 2))
    truth[[3, 50, 120]] = [[2.0, -1.0], [0.0, 3.0], [-1.5, 0.5]]
    answers = columns @ truth + rng.normal(0.0, 0.01, (80, 2))
    fit = fit_sparse(columns, answers)
    np.testing.assert_allclose(fit.coefficients, truth, atol=0.05)
    assert fit.explained > 0.999
    assert (fit.variances >= 0).all()


def test_a_sparse_fit_agrees_with_least_squares_where_there_is_no_doubt() -> None:
    rng = np.random.default_rng(1)
    columns, truth = (rng.random((300, 5)) < 0.5).astype(float), rng.normal(size=(5, 1))
    answers = columns @ truth + rng.normal(0.0, 0.1, (300, 1))
    wanted = np.linalg.lstsq(columns, answers, rcond=None)[0]
    np.testing.assert_allclose(fit_sparse(columns, answers).coefficients, wanted, atol=0.01)


def test_nothing_that_changes_leaves_coefficients_of_zero() -> None:
    fit = fit_sparse(np.ones((4, 3)), np.zeros((4, 2)))
    assert not fit.coefficients.any()
    assert fit.explained == 1.0
    assert not fit_sparse(np.zeros((4, 3)), np.ones((4, 2))).coefficients.any()


@settings(max_examples=50)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=8).map(lambda values: np.array(values)[:, None] / 10),
    st.integers(-20, 20),
)
def test_what_is_left_over_is_shared_without_changing_the_order(effects: np.ndarray, total: int) -> None:
    values = shared_out(effects, np.array([float(total)]))
    assert values.sum() == pytest.approx(total, abs=1e-9)
    if total >= effects.sum():
        speaking = effects[:, 0] > 0
        order = np.argsort(effects[speaking, 0], kind="stable")
        assert (np.diff(values[speaking, 0][order]) >= -1e-9).all()
