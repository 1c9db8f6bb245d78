"""What is read, and when: files that an answer does not need stay unread."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, LimitExceededError
from explanation_client.explanation import Explanation
from explanation_client.format import Limits, open_explanation, plan
from explanation_client.format.entries import Buffer
from explanation_client.importances import Importances, same_bits
from tests.golden.bundle import Bundle, store
from tests.strategies import explanation_of, random_explanation


@pytest.fixture
def explanation() -> Explanation:
    rng = np.random.default_rng(0)
    rows = EvaluationData(
        names=("a", "b"), columns=(rng.standard_normal(90), rng.standard_normal(90)), true=rng.standard_normal(90)
    )
    return replace(random_explanation(3, 90, 20), data=rows)


@pytest.fixture
def bundle(explanation: Explanation) -> Bundle:
    return store(explanation, shard_bytes=30 * 20 * 8, include_data=True, include_view=True)


def test_a_cut_download_reads_the_small_files_only(bundle: Bundle, explanation: Explanation) -> None:
    read = bundle.open(top_k=4)
    assert read.get_ranked_global_names().tolist() == explanation.get_ranked_global_names(4).tolist()
    assert read.get_ranked_per_class_values().shape == (3, 4)
    assert repr(read)
    assert bundle.fetched_roles() == ["features", "per-class"]


def test_ranked_local_values_come_from_the_top_files(bundle: Bundle, explanation: Explanation) -> None:
    read = bundle.open()
    assert same_bits(read.get_ranked_local_values(3), explanation.get_ranked_local_values(3))
    assert "local" not in bundle.fetched_roles()
    assert read.get_ranked_local_values(11).shape == (3, 90, 11)
    assert "local" in bundle.fetched_roles()


def test_some_rows_of_one_output_are_read_from_their_shard_only(bundle: Bundle, explanation: Explanation) -> None:
    part = bundle.open()[40:45].output(1)
    assert part == explanation[40:45].output(1)
    names = [name for name in bundle.fetched if name.startswith("local")]
    assert len(names) == 1
    assert names[0].startswith("local-1-000000030-")


def test_explained_rows_are_read_on_first_use(bundle: Bundle, explanation: Explanation) -> None:
    read = bundle.open()
    assert read.data is not None
    assert read.data.n_rows == 90
    assert not read.data.is_empty
    assert "data" not in bundle.fetched_roles()
    assert explanation.data is not None
    assert same_bits(read.data.true, explanation.data.true)
    assert "labels" in bundle.fetched_roles()
    assert "data" not in bundle.fetched_roles()
    assert read.data.same_as(explanation.data)
    count = len(bundle.fetched)
    assert read.data.same_as(explanation.data)
    assert len(bundle.fetched) == count


def test_a_copy_of_stored_rows_no_longer_needs_the_store(bundle: Bundle, explanation: Explanation) -> None:
    read = bundle.open()
    copied = pickle.loads(pickle.dumps(read))
    assert read.data is not None
    without_true = replace(read.data, true=None)
    bundle.files.clear()
    assert copied == explanation
    assert type(without_true) is EvaluationData
    assert without_true.true is None
    assert without_true.names == ("a", "b")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(pa.py_buffer(data))])
def test_files_may_be_any_kind_of_buffer(kind: Callable[[bytes], Buffer]) -> None:
    bundle = store(explanation_of(np.zeros((1, 3_000, 20))), include_view=True)
    wanted = bundle.open().load()
    read = open_explanation(bundle.manifest, lambda entry: kind(bundle.files[entry.name]))
    assert read.load() == wanted


def test_two_outputs_that_mirror_each_other_are_stored_once() -> None:
    values = np.random.default_rng(3).standard_normal((2, 7, 12)).astype("f4")
    values[1, 0] = 0.0
    values[1, 1, :4] = -0.0
    values[0] = -values[1]
    explanation = explanation_of(values)
    bundle = store(explanation)
    assert [entry.outputs for entry in bundle.manifest.of_role("local")] == [(1, 2)]
    for wanted, read in ((explanation, bundle.open()), (explanation.cut(3), bundle.open(top_k=3))):
        assert read == wanted
        for output in (0, 1):
            assert read.output(output) == wanted.output(output)
    cut = store(explanation.cut(3))
    assert [entry.outputs for entry in cut.manifest.of_role("local")] == [(1, 2)]
    assert cut.open() == explanation.cut(3)


def test_outputs_that_differ_in_the_sign_of_a_zero_are_both_stored() -> None:
    values = np.ones((2, 2, 2))
    values[0] = -values[1]
    values[:, 0, 0] = 0.0
    bundle = store(explanation_of(values))
    assert bundle.manifest.parts.local is not None
    assert not bundle.manifest.parts.local.mirror
    assert bundle.open() == explanation_of(values)


def test_wide_explanations_are_stored_in_blocks_of_columns() -> None:
    explanation = random_explanation(2, 4, 1_201)
    bundle = store(explanation)
    assert [entry.columns for entry in bundle.manifest.of_role("local")] == [(0, 600), (600, 1201)]
    assert bundle.open() == explanation
    assert bundle.open(top_k=700) == explanation.cut(700)
    ranked = store(explanation.cut(700))
    assert len(ranked.manifest.of_role("local")) == 2
    assert ranked.open() == explanation.cut(700)


@pytest.mark.parametrize(
    "name", ["\0", "a\nb", "\u202etxt", "<script>alert(1)</script>", "x" * 10_000, "a.b", "😀", " "]
)
def test_hostile_names_come_back_as_they_were(name: str) -> None:
    explanation = explanation_of(np.ones((1, 2, 2)), features=(name, "other"))
    rows = EvaluationData(names=(name,), columns=(np.array([name, None], object),))
    wanted = replace(explanation, data=rows)
    assert store(wanted, include_data=True, include_view=True).open() == wanted


def test_an_answer_beyond_the_limit_is_refused_and_a_smaller_one_given(bundle: Bundle) -> None:
    read = bundle.open(limits=Limits(max_bytes=20_000))
    assert read.local_importances is not None
    with pytest.raises(LimitExceededError, match=r"bytes of the local importances asked for: 43,200"):
        read.load()
    assert read[:10].local_importance_values.shape == (3, 10, 20)


def test_only_the_parts_of_the_data_that_were_named_are_stored(explanation: Explanation) -> None:
    bundle = store(explanation, include_data={"true"}, include_view=True)
    roles = {entry.role for entry in bundle.manifest.files}
    assert "labels" in roles
    assert not roles & {"data", "view-data"}
    read = bundle.open().data
    assert read is not None
    assert read.columns is None
    assert explanation.data is not None
    assert same_bits(read.true, explanation.data.true)
    assert store(explanation, include_data=False, include_view=True).open().data is None


@pytest.mark.parametrize("include", ["true", {"truth"}, ["columns", "x"]])
def test_a_part_of_the_data_that_does_not_exist_is_refused(explanation: Explanation, include: object) -> None:
    with pytest.raises(InvalidArgumentError, match="include_data"):
        plan(explanation, include_data=include)  # type: ignore[arg-type]


def test_shards_have_at_least_a_byte(explanation: Explanation) -> None:
    with pytest.raises(InvalidArgumentError, match="shard_bytes=0"):
        plan(explanation, shard_bytes=0)


@pytest.mark.parametrize("part", ["global_importances", "per_class_importances", "local_importances"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("ranked", [False, True])
def test_values_that_are_not_finite_are_not_stored(part: str, bad: float, ranked: bool) -> None:
    explanation = random_explanation(2, 3, 12)
    spoiled = getattr(explanation, part).values.copy()
    spoiled.flat[-1] = bad
    importances = Importances(spoiled)
    with np.errstate(invalid="ignore"):
        changed: dict[str, Any] = {part: importances.ranked(12) if ranked else importances}
    with pytest.raises(InvalidExplanationError, match="finite"):
        store(replace(explanation, **changed))


@pytest.mark.parametrize("index", [[0, 0], [0, 5], [-1, 0]])
@pytest.mark.parametrize("part", ["global", "local"])
def test_an_index_that_names_no_feature_or_one_twice_is_not_stored(index: list[int], part: str) -> None:
    explanation = random_explanation(1, 1, 3)
    positions = np.array(index, np.int32)
    parts: dict[str, dict[str, Any]] = {
        "global": {"global_importances": Importances(np.ones(2), positions, np.array(2.0))},
        "local": {
            "local_importances": Importances(np.ones((1, 1, 2)), positions.reshape(1, 1, 2), np.full((1, 1), 2.0))
        },
    }
    with pytest.raises(InvalidExplanationError, match="feature"):
        store(replace(explanation, **parts[part]))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (EvaluationData(names=("a", "a"), columns=(np.ones(3), np.ones(3))), "both named 'a'"),
        (EvaluationData(names=("",), columns=(np.ones(3),)), "at least one character"),
        (EvaluationData(true=np.ones(3, complex)), "complex128"),
        (EvaluationData(true=np.array([1, "a", object()], object)), "objects are texts"),
        (EvaluationData(true=np.array(["\ud800"] * 3, object)), "Unicode"),
        (EvaluationData(predicted_proba=np.ones((3, 2), int)), "predicted_proba"),
        (EvaluationData(true=np.array([2**60] * 3).view("M8[Y]")), "too far"),
    ],
)
def test_explained_rows_that_cannot_be_stored_are_named(data: EvaluationData, problem: str) -> None:
    with pytest.raises(InvalidExplanationError, match=problem):
        store(replace(random_explanation(1, 3, 2), data=data), include_data=True)


def test_texts_and_half_floats_are_stored_as_what_the_data_model_has() -> None:
    data = EvaluationData(predicted=np.array(["yes", "no"]), true=np.array([1, 2], "f2"))
    read = store(replace(random_explanation(1, 2, 2), data=data), include_data=True).open().data
    assert read is not None
    assert read.predicted is not None
    assert read.predicted.tolist() == ["yes", "no"]
    assert same_bits(read.true, np.array([1, 2], "f4"))
