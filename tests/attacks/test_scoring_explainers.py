"""Saved scoring explainers that somebody changed, by accident or on purpose, with digests that fit: always refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanation_client.artifacts import FolderArtifacts
from explanation_client.errors import CorruptFileError, ExplanationError, LimitExceededError, StoredDataError
from explanation_client.explainers import KernelExplainer, TreeExplainer
from explanation_client.scoring import NotReproducedError, load, save
from explanation_client.scoring.check import check_apart
from explanation_client.scoring.description import NAME, Bundle, named, read_description, write_description
from explanation_client.scoring.folder import open_bundle, packed, write_bundle
from explanation_client.scoring.models import pack_model
from explanation_client.scoring.trusted import dump_trusted, load_trusted

# Many files are written to the disk, and processes of their own started.
pytestmark = pytest.mark.integration

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)


@pytest.fixture(scope="module")
def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=2, max_depth=3, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def of_arrays(forest: Any) -> Bundle:
    return packed(TreeExplainer(forest, X, show_progress=False).create_scoring_explainer(X))


@pytest.fixture(scope="module")
def of_a_model(forest: Any) -> Bundle:
    explainer = KernelExplainer(forest, X[:3], nsamples=4, show_progress=False)
    return packed(explainer.create_scoring_explainer(X))


def opened(bundle: Bundle) -> Any:
    return open_bundle(bundle, trusted=True, compiled=None)


def file_of(bundle: Bundle, role: str) -> str:
    return next(name for name in bundle.files if name.startswith(f"{role}-"))


def forged(bundle: Bundle, role: str, data: bytes, **fields: Any) -> Bundle:
    """Return a bundle with another file in the place of one, and digests that fit."""
    old = file_of(bundle, role)
    name, data = named(role, old.rpartition(".")[2], data)
    files = {**{key: value for key, value in bundle.files.items() if key != old}, name: data}
    document, _ = read_description(bundle.description)
    document.pop("files")
    return Bundle(write_description({**document, **fields}, files), files)


# --- Changed files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["of_arrays", "of_a_model"])
def test_a_hundred_flipped_bits_are_all_found(kind: str, request: Any, tmp_path: Path) -> None:
    bundle: Bundle = request.getfixturevalue(kind)
    write_bundle(FolderArtifacts(tmp_path), bundle)
    whole = {NAME: bundle.description, **bundle.files}
    rng = np.random.default_rng(0)
    for _ in range(100):
        name = list(whole)[int(rng.integers(len(whole)))]
        flipped = bytearray(whole[name])
        flipped[int(rng.integers(len(flipped)))] ^= 1 << int(rng.integers(8))
        (tmp_path / name).write_bytes(flipped)
        with pytest.raises(StoredDataError):
            load(tmp_path)
        (tmp_path / name).write_bytes(whole[name])
    assert load(tmp_path, trusted=True).can_predict


@pytest.mark.parametrize("role", ["trees", "examples", "expected"])
def test_what_is_changed_with_its_digest_is_refused_or_the_same(of_arrays: Bundle, role: str) -> None:
    data = of_arrays.files[file_of(of_arrays, role)]
    values = opened(of_arrays).explain(X[:9])
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
        if rng.integers(4) == 0:
            del changed[int(rng.integers(len(changed))) :]
        try:
            found = opened(forged(of_arrays, role, bytes(changed)))
        except ExplanationError:
            refused += 1
            continue
        # What no example row comes past can be different; it is numbers all the same.
        assert found.explain(X[:9]).shape == values.shape
    assert refused > 20


def test_a_folder_with_code_beside_it_is_refused(of_arrays: Bundle, tmp_path: Path) -> None:
    write_bundle(FolderArtifacts(tmp_path), of_arrays)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "numpy.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CorruptFileError, match="'code'"):
        load(tmp_path)


def test_no_file_is_reached_through_a_link(of_arrays: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "it"
    write_bundle(FolderArtifacts(folder), of_arrays)
    trees = folder / file_of(of_arrays, "trees")
    trees.rename(tmp_path / "elsewhere")
    trees.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExplanationError, match="symbolic link"):
        load(folder)


def test_the_model_of_another_explainer_is_found_by_its_answers(of_a_model: Bundle) -> None:
    from sklearn.ensemble import RandomForestClassifier

    other = RandomForestClassifier(n_estimators=2, max_depth=3, random_state=9).fit(X, Y)
    with pytest.raises(NotReproducedError):
        opened(forged(of_a_model, "model", pack_model(other)[2]))


def test_a_model_of_other_columns_or_classes_is_refused(of_a_model: Bundle) -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.tree import DecisionTreeClassifier

    for other in (
        DecisionTreeClassifier().fit(X[:, :2], Y),
        DecisionTreeClassifier().fit(X, RNG.integers(4, size=60)),
        LinearRegression().fit(X, Y),
    ):
        with pytest.raises(StoredDataError):
            opened(forged(of_a_model, "model", pack_model(other)[2]))


# --- Code --------------------------------------------------------------------------------------------------------


class Runs:
    """Its pickle writes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_the_place_of_any_file_is_not_loaded(of_arrays: Bundle, of_a_model: Bundle, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    evil = pickle.dumps(Runs(mark))
    objects = io.BytesIO()
    np.savez(objects, **{"0.feature": np.array([Runs(mark)], object)})
    for bundle in (of_arrays, of_a_model):
        for role in {name.partition("-")[0] for name in bundle.files}:
            for data in (evil, objects.getvalue()):
                with pytest.raises(StoredDataError):
                    opened(forged(bundle, role, data))
    document, _ = read_description(of_a_model.description)
    with pytest.raises(StoredDataError, match="allow_pickle"):
        opened(forged(of_a_model, "model", evil, model={**document["model"], "format": "pickle"}))
    assert not mark.exists()


def skops_of(value: Any) -> bytes:
    import skops.io

    return bytes(skops.io.dumps(value))


def test_types_that_are_not_listed_are_not_made(of_a_model: Bundle) -> None:
    from functools import partial

    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    for value in (
        Pipeline([("evil", FunctionTransformer(os.getcwd))]),
        FunctionTransformer(partial(print, "ran")),
        {"a": subprocess.Popen},
    ):
        with pytest.raises(StoredDataError, match="refused"):
            opened(forged(of_a_model, "model", skops_of(value)))


def test_a_schema_that_names_other_code_is_refused(of_a_model: Bundle) -> None:
    data = of_a_model.files[file_of(of_a_model, "model")]
    for old, new in (
        (b'"RandomForestClassifier"', b'"Popen"'),
        (b'"sklearn.ensemble._forest"', b'"subprocess"'),
        (b'"__loader__": "ObjectNode"', b'"__loader__": "ReduceNode"'),
        (b'"__loader__": "ObjectNode"', b'"__loader__": "TypeNode"'),
    ):
        changed = rewritten(data, lambda schema, old=old, new=new: schema.replace(old, new))
        assert changed != data
        with pytest.raises(StoredDataError):
            opened(forged(of_a_model, "model", changed))


def rewritten(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return an archive of skops with another schema."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(sink, "w") as target:
        for member in source.namelist():
            held = source.read(member)
            target.writestr(member, change(held) if member == "schema.json" else held)
    return sink.getvalue()


def test_an_archive_that_takes_more_memory_than_it_has_bytes_is_refused(of_a_model: Bundle) -> None:
    data = of_a_model.files[file_of(of_a_model, "model")]
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(117) + b"\n"

    def with_member(name: str, held: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
        sink = io.BytesIO(data)
        with zipfile.ZipFile(sink, "a", compression) as archive:
            archive.writestr(name, held)
        return sink.getvalue()

    for changed in (
        with_member("big.npy", b"\x93NUMPY\x01\x00\x76\x00" + header),
        with_member("zeros.npy", bytes(10**7), zipfile.ZIP_DEFLATED),
        with_member("big.npz", b"PK"),
    ):
        with pytest.raises(CorruptFileError):
            load_trusted(changed, name="it")


# --- Arrays that compiled code believes --------------------------------------------------------------------------


def with_nodes(model: Any, **fields: int) -> Any:
    """Return a forest of which one node says something else."""
    import copy

    made = copy.deepcopy(model)
    tree = made.estimators_[0].tree_
    state = tree.__getstate__()
    for field, value in fields.items():
        state["nodes"][field][0] = value
    tree.__setstate__(state)
    return made


@pytest.mark.parametrize(
    "fields", [{"left_child": 10**6}, {"right_child": -7}, {"left_child": 0}, {"feature": 10**6}, {"feature": -9}]
)
def test_trees_of_scikit_learn_that_lead_outside_are_refused(forest: Any, fields: dict[str, int]) -> None:
    with pytest.raises(StoredDataError, match="refused"):
        load_trusted(dump_trusted(with_nodes(forest, **fields), "it"), name="it")


def test_trees_that_do_not_fit_their_forest_are_refused(forest: Any) -> None:
    import copy

    from sklearn.tree import DecisionTreeClassifier

    made = copy.deepcopy(forest)
    made.estimators_[0] = DecisionTreeClassifier().fit(np.hstack([X, X]), Y)
    with pytest.raises(CorruptFileError, match="other features"):
        load_trusted(dump_trusted(made, "it"), name="it")


def test_histogram_trees_that_lead_outside_are_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    for field, value in (("feature_idx", 10**6), ("left", 10**6), ("right", 0)):
        made = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=5).fit(X, Y)
        made._predictors[0][0].nodes[field][0] = value
        with pytest.raises(CorruptFileError, match="refused"):
            load_trusted(dump_trusted(made, "it"), name="it")


def test_support_vectors_that_are_cut_are_refused() -> None:
    from sklearn.svm import SVC, SVR

    labels = RNG.integers(3, size=60)
    made = SVC().fit(X, labels)
    cuts = {
        "_intercept_": made._intercept_[:1],
        "_dual_coef_": made._dual_coef_[:, :-1],
        "support_vectors_": made.support_vectors_[:-3],
        "_n_support": np.array([1, 1, 9999], np.int32),
        "support_": made.support_[:-1],
    }
    for name, value in cuts.items():
        changed = SVC().fit(X, labels)
        setattr(changed, name, value)
        with pytest.raises(CorruptFileError, match="refused"):
            load_trusted(dump_trusted(changed, "it"), name="it")
    whole = load_trusted(dump_trusted(SVR().fit(X, X[:, 0]), "it"), name="it")
    assert whole.predict(X[:2]).shape == (2,)


def test_sparse_matrices_that_lead_outside_are_refused() -> None:
    from sklearn.linear_model import LogisticRegression

    made = LogisticRegression().fit(X, Y).sparsify()
    made.coef_.indices[0] = 10**6
    with pytest.raises(CorruptFileError, match="refused"):
        load_trusted(dump_trusted(made, "it"), name="it")


def test_trees_of_neighbours_are_built_anew() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    made = KNeighborsClassifier(3, algorithm="kd_tree").fit(X, Y)
    back = load_trusted(dump_trusted(made, "it"), name="it")
    np.testing.assert_array_equal(back.predict_proba(X), made.predict_proba(X))


# --- Models that end or keep busy the process that reads them ----------------------------------------------------


@pytest.fixture(scope="module")
def of_xgboost() -> Bundle:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1).fit(X, Y)
    return packed(KernelExplainer(model, X[:3], nsamples=4, show_progress=False).create_scoring_explainer(X))


def test_a_model_that_would_crash_its_parser_is_refused_and_this_process_lives(of_xgboost: Bundle) -> None:
    data = bytearray(of_xgboost.files[file_of(of_xgboost, "model")])
    # Children of nodes: whole numbers behind this name.
    at = data.index(b"left_children")
    data[at + 16 : at + 48] = b"\x7f" * 32
    with pytest.raises(StoredDataError):
        open_bundle(forged(of_xgboost, "model", bytes(data)))
    assert open_bundle(of_xgboost, compiled=None).can_predict


def test_a_model_that_takes_too_long_or_too_much_is_given_up(of_a_model: Bundle) -> None:
    with pytest.raises(LimitExceededError, match="busy"):
        check_apart(of_a_model, seconds=1)
    with pytest.raises(StoredDataError):
        check_apart(of_a_model, memory=200 << 20)


def test_the_process_that_tries_a_model_has_no_secrets(of_a_model: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    real = subprocess.run

    def run(*args: Any, **options: Any) -> Any:
        seen.update(options)
        return real(*args, **options)

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    monkeypatch.setattr(subprocess, "run", run)
    check_apart(of_a_model)
    assert "hush" not in seen["env"].values()


def test_loading_unpickles_nothing_starts_nothing_and_asks_nobody(of_a_model: Bundle, tmp_path: Path) -> None:
    write_bundle(FolderArtifacts(tmp_path), of_a_model)
    code = f"""
        import json, sys
        from explanation_client.scoring import load
        seen = []
        watched = ("pickle.find_class", "os.system", "os.exec", "subprocess.Popen", "socket.connect")
        load({str(tmp_path)!r}, trusted=True, compiled=False)
        sys.addaudithook(lambda event, args: seen.append(event) if event in watched else None)
        load({str(tmp_path)!r}, trusted=True, compiled=False).explain([[0.1, 0.2, 0.3]])
        print(json.dumps(seen))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=True, timeout=240, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_saving_and_loading_needs_no_pickle_at_all(
    forest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was unpickled")

    made = TreeExplainer(forest, X, show_progress=False).create_scoring_explainer(X)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    save(made, tmp_path)
    np.testing.assert_array_equal(load(tmp_path, compiled=None).explain(X), made.explain(X))
