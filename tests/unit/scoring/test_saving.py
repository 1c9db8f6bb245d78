"""Scoring explainers as bytes and folders: the same comes back, or nothing does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explanation_client.artifacts import MemoryArtifacts
from explanation_client.errors import (
    ArtifactMissingError,
    CorruptFileError,
    FormatVersionError,
    InvalidArgumentError,
    InvalidManifestError,
    LimitExceededError,
    StoredDataError,
)
from explanation_client.explainers import KernelExplainer, TreeExplainer
from explanation_client.explainers.inputs import Table
from explanation_client.format.audit import Audit
from explanation_client.scoring import NotReproducedError, ScoringExplainer, load, save
from explanation_client.scoring.arrays import pack_arrays, unpack_arrays
from explanation_client.scoring.description import NAME, Bundle, read_description, write_description
from explanation_client.scoring.folder import open_bundle, packed, read_bundle, write_bundle
from explanation_client.scoring.runs import _run_and_path
from explanation_client.scoring.tables import pack_table, unpack_table
from tests.unit.scoring.conftest import NAMES, X


def opened(bundle: Bundle) -> ScoringExplainer:
    """Return the scoring explainer of some bytes, without another process and without compiling."""
    return open_bundle(bundle, trusted=True, compiled=None)


def changed(bundle: Bundle, **fields: Any) -> Bundle:
    """Return a bundle whose description says something else, with digests that fit."""
    document, _ = read_description(bundle.description)
    document.pop("files")
    return Bundle(write_description({**document, **fields}, bundle.files), bundle.files)


def with_arrays(bundle: Bundle, role: str, **arrays: Any) -> Bundle:
    """Return a bundle with other arrays in one file, with digests that fit."""
    from explanation_client.scoring.description import named

    old = next(name for name in bundle.files if name.startswith(role))
    held = unpack_arrays(bundle.files[old], name=old)
    name, data = named(role, "npz", pack_arrays({**held, **arrays}))
    files = {**{key: value for key, value in bundle.files.items() if key != old}, name: data}
    document, _ = read_description(bundle.description)
    document.pop("files")
    return Bundle(write_description(document, files), files)


@pytest.fixture(scope="module")
def bundle(of_trees: ScoringExplainer) -> Bundle:
    return packed(of_trees)


@pytest.mark.parametrize("kind", ["of_trees", "of_a_line"])
def test_what_comes_back_says_the_same_to_the_last_bit(kind: str, request: Any, tmp_path: Path) -> None:
    made: ScoringExplainer = request.getfixturevalue(kind)
    rows = X[:4]
    assert save(made, tmp_path / "it") == str(tmp_path / "it")
    back = load(tmp_path / "it", trusted=True, compiled=None)
    assert type(back) is type(made)
    np.testing.assert_array_equal(back.explain(rows), made.explain(rows))
    np.testing.assert_array_equal(back.predict(rows), made.predict(rows))
    np.testing.assert_array_equal(back.expected_values, made.expected_values)
    assert (back.features, back.classes, back.columns) == (made.features, made.classes, made.columns)
    assert (back.raw_features, back.engineered_features) == (made.raw_features, made.engineered_features)
    assert back.info == made.info
    assert back.packages == made.packages


def test_trees_come_back_with_numpy_and_numba_alone(bundle: Bundle) -> None:
    assert opened(bundle).packages == ("numpy", "pyarrow", "numba")
    assert sorted(name.partition("-")[0] for name in bundle.files) == ["examples", "expected", "trees"]


def test_the_same_scoring_explainer_makes_the_same_bytes(of_trees: ScoringExplainer, bundle: Bundle) -> None:
    assert packed(of_trees) == bundle or packed(of_trees).files == bundle.files


def test_no_row_of_the_caller_is_in_the_files(forest: Any) -> None:
    explainer = TreeExplainer(forest, X, show_progress=False)
    stored = opened(packed(explainer.create_scoring_explainer(X)))._parts.examples.data
    assert not np.isin(stored, X).any()


def test_the_description_opens_its_folder(of_trees: ScoringExplainer, tmp_path: Path) -> None:
    save(of_trees, tmp_path)
    assert load(tmp_path / NAME, compiled=None).features == NAMES


def test_another_file_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "scoring_explainer.pkl").write_bytes(b"x")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        load(tmp_path / "scoring_explainer.pkl")


def test_the_old_form_of_saving_and_loading_works(of_trees: ScoringExplainer, tmp_path: Path) -> None:
    path = of_trees.save("scoring_explainer_deploy", tmp_path)
    assert path == str(tmp_path / "scoring_explainer_deploy")
    assert (tmp_path / "scoring_explainer_deploy" / NAME).is_file()


def test_a_folder_is_replaced_on_demand_only(
    of_trees: ScoringExplainer, of_a_line: ScoringExplainer, tmp_path: Path
) -> None:
    save(of_trees, tmp_path)
    with pytest.raises(InvalidArgumentError, match="exist_ok=True"):
        save(of_a_line, tmp_path)
    save(of_a_line, tmp_path, exist_ok=True)
    assert load(tmp_path, trusted=True).method == "scoring.linear"
    assert not list(tmp_path.glob("trees-*"))


def test_other_files_are_never_touched(of_trees: ScoringExplainer, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(InvalidArgumentError, match=r"thesis\.docx"):
        save(of_trees, tmp_path, exist_ok=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
    with pytest.raises(InvalidArgumentError, match="no scoring explainer"):
        save(object(), tmp_path / "new")  # type: ignore[arg-type]


def test_a_folder_without_a_description_holds_no_scoring_explainer(bundle: Bundle) -> None:
    store = MemoryArtifacts()
    with pytest.raises(ArtifactMissingError, match="holds no scoring explainer"):
        read_bundle(store, what="it")
    for name, data in bundle.files.items():
        store.write(name, data)
        with pytest.raises(ArtifactMissingError, match=NAME):
            read_bundle(store, what="it")
    store.write(NAME, bundle.description)
    assert read_bundle(store, what="it").files == bundle.files


class Writes(MemoryArtifacts):
    """A store that breaks off after so many writes."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def write(self, path: str, data: Any) -> None:
        if self.left == 0:
            raise ConnectionError("the line is cut")
        self.left -= 1
        super().write(path, data)


def test_a_reader_gets_the_old_one_or_the_new_one_whenever_saving_breaks_off(
    bundle: Bundle, of_a_line: ScoringExplainer
) -> None:
    other = packed(of_a_line)
    for left in range(len(other.files) + 1):
        store = Writes(100)
        write_bundle(store, bundle)
        store.left = left
        with pytest.raises(ConnectionError):
            write_bundle(store, other)
        assert read_bundle(store, what="it").description == bundle.description
        store.left = 100
        write_bundle(store, other)
        assert {entry.name for entry in store.list("")} == {NAME, *other.files}


def test_a_file_that_arrives_cut_once_is_read_again(bundle: Bundle) -> None:
    class Flaky(MemoryArtifacts):
        reads = 0

        def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
            data = super().read(path, max_bytes=max_bytes)
            Flaky.reads += path.startswith("trees")
            return data[:-1] if path.startswith("trees") and Flaky.reads == 1 else data

    store = Flaky()
    write_bundle(store, bundle)
    assert read_bundle(store, what="it").files == bundle.files
    assert Flaky.reads == 2


def test_what_does_not_belong_there_is_refused(bundle: Bundle) -> None:
    for path in ("code/evil.py", "model.pkl", "trees-0.npz"):
        store = MemoryArtifacts()
        write_bundle(store, bundle)
        store.write(path, b"x")
        with pytest.raises(CorruptFileError, match="no part of a scoring explainer"):
            read_bundle(store, what="it")


def test_a_file_that_was_swapped_is_refused(bundle: Bundle, of_a_line: ScoringExplainer) -> None:
    store = MemoryArtifacts()
    write_bundle(store, bundle)
    trees = next(name for name in bundle.files if name.startswith("trees"))
    store.write(trees, next(iter(packed(of_a_line).files.values())))
    with pytest.raises(CorruptFileError):
        read_bundle(store, what="it")
    store.delete(trees)
    with pytest.raises(CorruptFileError, match="lacks its file"):
        read_bundle(store, what="it")
    write_bundle(store, bundle)
    with pytest.raises(LimitExceededError):
        read_bundle(store, what="it", max_bytes=100)


# --- The description ---------------------------------------------------------------------------------------------


def test_every_byte_of_the_description_counts(bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    for position in rng.integers(len(bundle.description), size=60):
        flipped = bytearray(bundle.description)
        flipped[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(StoredDataError):
            read_description(bytes(flipped))


def test_a_newer_version_is_told_from_a_broken_one(bundle: Bundle) -> None:
    document = json.loads(bundle.description)
    with pytest.raises(FormatVersionError, match="upgrade"):
        read_description(json.dumps({**document, "version": 2}).encode())
    with pytest.raises(InvalidManifestError, match="format"):
        read_description(json.dumps({**document, "format": "pizza"}).encode())


TRICKS = (
    "../x.npz",
    "/etc/passwd",
    "trees-0000000000000000.npz/..",
    "trees-0000000000000000.exe",
    "CON",
    "a" * 300,
    "",
)


@pytest.mark.parametrize("name", TRICKS)
def test_file_names_that_cannot_be_are_refused(bundle: Bundle, name: str) -> None:
    with pytest.raises(InvalidManifestError, match="files"):
        read_description(write_description({}, {name: b"x"}))


SENSELESS: dict[str, dict[str, Any]] = {
    "another kind": {"kind": "oracle"},
    "another task": {"task": "regression"},
    "no outputs": {"outputs": []},
    "an output twice": {"outputs": ["no", "no"]},
    "other outputs": {"outputs": ["a", "b", "c"]},
    "a subset outside": {"subset": [0, 7]},
    "no attributor": {"attributor": None},
    "another attributor": {"attributor": {"type": "exec"}},
    "Kernel SHAP without a model": {"attributor": {"type": "kernel"}},
    "a predictor of a model that is not there": {"predictor": {"type": "model", "labels": None}},
    "another model": {"model": {"format": "os.system", "is_function": False}},
    "no self-test": {"selftest": None},
    "columns of another model": {"columns": {"features": ["a"], "names": None}},
    "a name of a megabyte": {"columns": {"features": ["x" * 10**6, "b", "c"], "names": None}},
    "transformations that are not there": {"transformation": {"format": "skops", "is_list": False}},
    "maps that are not there": {"maps": {"names": ["a"], "shares": {}}},
}


@pytest.mark.parametrize("case", SENSELESS)
def test_a_description_that_makes_no_sense_is_refused(bundle: Bundle, case: str) -> None:
    with pytest.raises(StoredDataError):
        opened(changed(bundle, **SENSELESS[case]))


def test_a_self_test_that_accepts_anything_is_refused(bundle: Bundle) -> None:
    document, _ = read_description(bundle.description)
    with pytest.raises(StoredDataError, match="tolerance"):
        opened(changed(bundle, selftest={**document["selftest"], "tolerance": 1e9}))


# --- Arrays ------------------------------------------------------------------------------------------------------


def test_trees_that_were_changed_are_found_by_their_values(bundle: Bundle) -> None:
    trees = next(data for name, data in bundle.files.items() if name.startswith("trees"))
    held = unpack_arrays(trees, name="trees")
    with pytest.raises(NotReproducedError, match="misses what was saved"):
        opened(with_arrays(bundle, "trees", **{"0.value": held["0.value"] * 1.01}))
    with pytest.raises(NotReproducedError):
        opened(with_arrays(bundle, "trees", **{"0.threshold": held["0.threshold"] - 0.3}))


def test_trees_that_lead_outside_are_refused(bundle: Bundle) -> None:
    trees = next(data for name, data in bundle.files.items() if name.startswith("trees"))
    held = unpack_arrays(trees, name="trees")
    split = int(np.flatnonzero(held["0.feature"] >= 0)[0])

    def put(field: str, value: Any) -> dict[str, Any]:
        array = held[f"0.{field}"].copy()
        array[split] = value
        return {f"0.{field}": array}

    wrong = [
        put("feature", 10**6), put("left", 2**31 - 1), put("left", -5), put("left", split), put("right", 0),
        put("value", np.nan) | {"0.value": np.full_like(held["0.value"], np.nan)}, put("cover", -1.0),
        {"0.feature": held["0.feature"][:-1]}, {"0.feature": held["0.feature"].astype(np.int64)},
        {"0.tree_start": held["0.tree_start"][::-1].copy()}, {"0.tree_start": np.array([0], np.int64)},
        {"0.tree_output": held["0.tree_output"][:-1]}, {"0.category_words": held["0.category_words"] + 1},
        {"0.category_start": held["0.category_start"] - 1}, {"0.constant": np.array([np.inf, 0.0])},
        {"0.constant": np.zeros(3)}, {"0.missing_value": np.zeros(2)}, {"0.columns": np.array([0, 1, 9])},
        {"0.background": np.zeros((2, 9))}, {"0.unknown": np.zeros(1)},
    ]  # fmt: skip
    for arrays in wrong:
        with pytest.raises(CorruptFileError):
            opened(with_arrays(bundle, "trees", **arrays))


def test_a_path_without_end_is_refused(bundle: Bundle) -> None:
    count = 2_101
    splits = np.arange(0, count - 1, 2)
    child = np.full(count, -1, np.int32)
    left, right = child.copy(), child.copy()
    left[splits], right[splits] = splits + 1, splits + 2
    zeros = np.zeros(count)
    feature = child.copy()
    feature[splits] = 0
    arrays = {
        "feature": feature, "left": left, "right": right, "threshold": zeros, "cover": zeros + 1.0,
        "missing_left": zeros.astype(bool), "zero_missing": zeros.astype(bool), "value": np.zeros((count, 2)),
        "category_start": zeros.astype(np.int32), "category_words": zeros.astype(np.int32),
        "tree_start": np.array([0, count]), "tree_output": np.zeros(1, np.int32),
    }  # fmt: skip
    with pytest.raises(LimitExceededError, match="more than 1000 splits"):
        opened(with_arrays(bundle, "trees", **{f"0.{key}": value for key, value in arrays.items()}))


def test_a_line_that_was_changed_is_refused(of_a_line: ScoringExplainer) -> None:
    line = packed(of_a_line)
    for arrays in (
        {"coefficients": np.zeros((1, 4))}, {"mean": np.array([np.inf, 0, 0])}, {"intercepts": np.zeros(2)},
        {"coefficients": np.zeros((1, 3), np.float32)}, {"mean": np.ones(3)}, {"fill": np.zeros(9)},
    ):  # fmt: skip
        with pytest.raises(StoredDataError):
            opened(with_arrays(line, "linear", **arrays))


def test_files_of_arrays_hold_numbers_within_their_own_size() -> None:
    import io
    import zipfile

    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array([True, False]), "c": np.asfortranarray(np.eye(3)[:2])}
    back = unpack_arrays(pack_arrays(arrays), name="x")
    assert all(np.array_equal(back[key], value) and back[key].dtype == value.dtype for key, value in arrays.items())
    sink = io.BytesIO()
    np.savez_compressed(sink, a=np.zeros(10**6))
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("a.npy", header.ljust(127) + b"\n")
    objects = io.BytesIO()
    np.savez(objects, a=np.array([{}], object))
    for data in (sink.getvalue(), bomb.getvalue(), objects.getvalue(), b"", b"PK\x03\x04", b"x" * 100):
        with pytest.raises(CorruptFileError, match="no file of arrays"):
            unpack_arrays(data, name="x")


# --- Tables ------------------------------------------------------------------------------------------------------


def test_tables_of_every_type_come_back_as_they_were() -> None:
    frame = pd.DataFrame(
        {
            "int": np.arange(3, dtype=np.int16),
            "float": [0.5, np.nan, 2.0],
            "truth": [True, False, True],
            "text": pd.Series(["a", None, "b"], dtype=object),
            "string": pd.Series(["a", pd.NA, "b"], dtype="string"),
            "category": pd.Categorical(["x", None, "y"], categories=["y", "x"]),
            "date": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    for table in (Table(frame, tuple(frame.columns)), Table(np.array([["a", 1.5], [None, 2.0]], object))):
        document, _, data = pack_table(table, "rows")
        back = unpack_table(json.loads(json.dumps(document)), data, Audit("it"), "it", name="it")
        assert back is not None
        if table.is_frame:
            pd.testing.assert_frame_equal(back.data, frame)
        else:
            assert back.data.tolist() == table.data.tolist()


def test_a_column_without_a_place_in_a_file_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="column 0 holds values of the types"):
        pack_table(Table(np.array([[1.0], ["a"]], object)), "the rows")
    frame = pd.DataFrame({"when": pd.to_datetime(["2020-01-01"]).tz_localize("UTC")})
    with pytest.raises(InvalidArgumentError, match="column 0 is of type datetime64"):
        pack_table(Table(frame, ("when",)), "the rows")


# --- Models ------------------------------------------------------------------------------------------------------


def test_a_function_is_not_saved_unless_it_may_be_pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = KernelExplainer(lambda rows: rows[:, 0], X[:5], show_progress=False)
    made = explainer.create_scoring_explainer()
    with pytest.raises(InvalidArgumentError, match="a function is code"):
        save(made, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    save(made, tmp_path / "a", allow_pickle=True)
    with pytest.raises(StoredDataError, match="allow_pickle=True"):
        load(tmp_path / "a", trusted=True)
    np.testing.assert_array_equal(load(tmp_path / "a", allow_pickle=True).explain(X[:2]), made.explain(X[:2]))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(StoredDataError, match="MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        load(tmp_path / "a", allow_pickle=True)


# --- Addresses ---------------------------------------------------------------------------------------------------


def test_runs_are_named_by_id_or_address() -> None:
    run = "0" * 32
    assert _run_and_path(run, None) == (run, None)
    assert _run_and_path(f"runs:/{run}/a/b", None) == (run, "a/b")
    assert _run_and_path(f"runs:/{run}", "a") == (run, "a")
    with pytest.raises(InvalidArgumentError, match="pass one"):
        _run_and_path(f"runs:/{run}/a", "b")
    with pytest.raises(InvalidArgumentError, match="models:/<name>/<version>"):
        _run_and_path("credit", None)
