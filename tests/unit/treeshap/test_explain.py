"""What callers rely on: shapes, types, refusals, threads, copies and the cost of the import."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from explanation_client.treeshap import (
    TreeEnsemble,
    TreeTables,
    UnsupportedModelError,
    explain,
    shap_values,
)
from explanation_client.treeshap.ensemble import RawTree, assemble
from explanation_client.treeshap.parsers import lightgbm as lightgbm_reader
from explanation_client.treeshap.parsers import xgboost as xgboost_reader
from explanation_client.treeshap.parsers.histogram import category_levels
from explanation_client.treeshap.probability import inverse_link, to_predictions
from tests.unit.treeshap import oracle


@pytest.fixture(scope="module")
def ensemble() -> TreeEnsemble:
    return oracle.random_ensemble(np.random.default_rng(3), 5, trees=6, depth=5)


@pytest.fixture
def rows() -> oracle.Floats:
    return oracle.random_rows(np.random.default_rng(4), 300, 5)


def tree(**changes: Any) -> RawTree:
    """A tree of one split, with changes."""
    parts: dict[str, Any] = {
        "feature": np.array([0, -1, -1]),
        "threshold": np.array([0.5, 0.0, 0.0]),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "missing_left": np.zeros(3, dtype=np.bool_),
        "cover": np.array([4.0, 1.0, 3.0]),
        "value": np.array([[0.0], [1.0], [5.0]]),
    }
    return RawTree(**{**parts, **changes})


def test_a_stump_by_hand() -> None:
    stump = assemble([tree()], [0], constant=[10.0], n_features=2)
    assert stump.base_values().tolist() == [14.0]
    found = shap_values(stump, np.array([[0.5, 9.0], [0.6, 9.0]]))
    assert found.tolist() == [[[-3.0, 0.0], [1.0, 0.0]]]
    background = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert stump.base_values(background).tolist() == [13.0]
    assert shap_values(stump, np.array([[0.5, 9.0]]), background).tolist() == [[[-2.0, 0.0]]]


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
@pytest.mark.parametrize("background", [None, np.zeros((2, 3))], ids=["path-dependent", "interventional"])
def test_trees_without_splits_and_no_trees_at_all(background: Any, compiled: bool) -> None:
    leaf = tree(
        feature=np.array([-1]), threshold=np.zeros(1), left=np.array([-1]), right=np.array([-1]),
        missing_left=np.zeros(1), cover=np.zeros(1), value=np.array([[2.0]]),
    )  # fmt: skip
    for trees, expected in (([leaf, leaf], 4.5), ([], 0.5)):
        flat = assemble(trees, [0] * len(trees), constant=[0.5], n_features=3)
        tables = TreeTables(flat, background, compiled=compiled)
        assert tables.base_values.tolist() == [expected]
        assert not tables.shap_values(np.ones((20, 3))).any()
        assert not tables.shap_values_row(np.ones(3)).any()
        assert not tables.interaction_values(np.ones((2, 3))).any()


def test_no_rows(ensemble: TreeEnsemble) -> None:
    assert shap_values(ensemble, np.empty((0, 5))).shape == (ensemble.n_outputs, 0, 5)


@pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "compiled"])
@pytest.mark.parametrize("background", [None, 20], ids=["path-dependent", "interventional"])
def test_threads_types_and_layouts_give_the_same(
    ensemble: TreeEnsemble, rows: oracle.Floats, background: int | None, compiled: bool
) -> None:
    tables = TreeTables(ensemble, None if background is None else rows[:background], compiled=compiled)
    rows = rows if compiled else rows[:40]
    assert tables.interventional == (background is not None)
    assert tables.table_bytes > 0
    values = tables.shap_values(rows, threads=1)
    np.testing.assert_array_equal(tables.shap_values(rows, threads=3), values)
    np.testing.assert_array_equal(tables.shap_values(np.asfortranarray(rows)), values)
    single = tables.shap_values(rows, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, values, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(tables.shap_values_row(rows[7]), values[:, 7], rtol=0, atol=1e-13)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(tables.shap_values, [rows] * 8):
            np.testing.assert_array_equal(found, values)


def test_progress_is_told_of_trees_and_of_rows(ensemble: TreeEnsemble, rows: oracle.Floats) -> None:
    told: list[tuple[int, int]] = []
    tables = TreeTables(ensemble, rows[:10], progress=lambda done, total: told.append((done, total)), compiled=True)
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]
    for threads in (1, 2):
        told.clear()
        tables.shap_values(rows, threads=threads, progress=lambda done, total: told.append((done, total)))
        assert [total for _, total in told] == [300] * len(told)
        assert told[-1] == (300, 300)


def test_a_small_memory_limit_gives_the_same(ensemble: TreeEnsemble, rows: oracle.Floats) -> None:
    expected = TreeTables(ensemble, rows[:10], compiled=True)
    limit = expected.table_bytes // 3
    bounded = TreeTables(ensemble, rows[:10], memory_limit=limit, compiled=True)
    assert bounded.table_bytes < expected.table_bytes
    np.testing.assert_allclose(bounded.shap_values(rows), expected.shap_values(rows), rtol=0, atol=1e-13)


def test_results_do_not_depend_on_the_size_of_the_call(ensemble: TreeEnsemble, rows: oracle.Floats) -> None:
    values = shap_values(ensemble, rows)
    for size in (1, 2, 9, 63, 64, 65, 129):
        np.testing.assert_allclose(shap_values(ensemble, rows[:size]), values[:, :size], rtol=0, atol=1e-13)


def test_rows_are_checked_before_anything_reads_them(ensemble: TreeEnsemble) -> None:
    tables = TreeTables(ensemble)
    for call in (tables.shap_values, tables.interaction_values, ensemble.predict):
        with pytest.raises(ValueError, match="4 columns, the model has 5 features"):
            call(np.zeros((3, 4)))
        with pytest.raises(ValueError, match="2-D array"):
            call(np.zeros(5))
        with pytest.raises(ValueError, match="must be numbers"):
            call(np.array([["a"] * 5]))
    with pytest.raises(ValueError, match="6 columns"):
        tables.shap_values_row(np.zeros(6))
    with pytest.raises(ValueError, match="6 columns"):
        TreeTables(ensemble, np.zeros((2, 6)))
    with pytest.raises(ValueError, match="background has no rows"):
        TreeTables(ensemble, np.zeros((0, 5)))
    with pytest.raises(ValueError, match="float64 or float32"):
        tables.shap_values(np.zeros((1, 5)), dtype=np.int64)
    with pytest.raises(ValueError, match="at least 1"):
        TreeTables(ensemble, threads=0)


def test_tables_of_pandas_and_whole_numbers(ensemble: TreeEnsemble) -> None:
    pandas = pytest.importorskip("pandas")
    numbers = np.arange(15).reshape(3, 5)
    expected = shap_values(ensemble, numbers.astype(np.float64))
    np.testing.assert_array_equal(shap_values(ensemble, numbers), expected)
    np.testing.assert_array_equal(shap_values(ensemble, numbers.tolist()), expected)
    frame = pandas.DataFrame(numbers).convert_dtypes()
    np.testing.assert_array_equal(shap_values(ensemble, frame), expected)
    frame.loc[0, 0] = pandas.NA
    gap = numbers.astype(np.float64)
    gap[0, 0] = np.nan
    np.testing.assert_array_equal(shap_values(ensemble, frame), shap_values(ensemble, gap))
    with pytest.raises(ValueError, match="encode categories first"):
        shap_values(ensemble, frame.astype(object).replace(3, "three"))


def test_an_ensemble_is_frozen_and_survives_pickle(ensemble: TreeEnsemble, rows: oracle.Floats) -> None:
    with pytest.raises(ValueError, match="read-only"):
        ensemble.threshold[0] = 1.0
    copy = pickle.loads(pickle.dumps(ensemble))
    assert not copy.threshold.flags.writeable
    np.testing.assert_array_equal(copy.predict(rows), ensemble.predict(rows))
    tables = TreeTables(ensemble, rows[:5])
    again = pickle.loads(pickle.dumps(tables))
    np.testing.assert_array_equal(again.shap_values(rows), tables.shap_values(rows))
    assert TreeEnsemble.from_model(ensemble) is ensemble
    assert repr(ensemble) == f"TreeEnsemble(unnamed: 6 trees, 5 features, {ensemble.n_outputs} outputs, value)"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"left": np.array([0, -1, -1])}, "do not form a tree"),
        ({"left": np.array([2, -1, -1])}, "do not form a tree"),
        ({"right": np.array([3, -1, -1])}, "do not form a tree"),
        ({"feature": np.array([2, -1, -1])}, "feature beyond 2"),
        ({"value": np.zeros((3, 2))}, "2 values for 1 outputs"),
        ({"value": np.array([[0.0], [np.inf], [0.0]])}, "leaf value"),
        ({"cover": np.array([1.0, -1.0, 2.0])}, "cover"),
        ({"threshold": np.array([np.nan, 0.0, 0.0])}, "threshold"),
    ],
)
def test_unsound_trees_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        assemble([tree(**changes)], [0], constant=[0.0], n_features=2)


def test_trees_of_outputs_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="beyond the 1"):
        assemble([tree()], [1], constant=[0.0], n_features=2)


def test_what_no_reader_knows_is_refused_with_its_reason() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), np.arange(40) % 2
    starts_elsewhere = GradientBoostingClassifier(n_estimators=2, init=LogisticRegression())
    several = RandomForestClassifier(2).fit(x, np.column_stack([y, y]))
    for model, reason in (
        (object(), "builtins.object"),
        (LogisticRegression(), "LogisticRegression"),
        (RandomForestClassifier(), "not fitted"),
        (starts_elsewhere.fit(x, y), "starts from LogisticRegression"),
        (several, "several targets"),
    ):
        with pytest.raises(UnsupportedModelError, match=reason):
            TreeEnsemble.from_model(model)


def test_boosters_without_trees_are_refused() -> None:
    import lightgbm
    import xgboost

    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    linear = xgboost.XGBRegressor(booster="gblinear", n_estimators=2).fit(x, x[:, 0])
    with pytest.raises(UnsupportedModelError, match="gblinear"):
        TreeEnsemble.from_model(linear)
    with pytest.raises(UnsupportedModelError, match="not fitted"):
        TreeEnsemble.from_model(xgboost.XGBRegressor())
    with pytest.raises(UnsupportedModelError, match="no fitted LightGBM booster"):
        TreeEnsemble.from_model(lightgbm.LGBMRegressor())
    leafy = lightgbm.LGBMRegressor(n_estimators=2, linear_tree=True, verbose=-1).fit(x, x[:, 0])
    with pytest.raises(UnsupportedModelError, match="linear trees"):
        TreeEnsemble.from_model(leafy)


def test_texts_of_unknown_versions_and_objectives_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="v9"):
        lightgbm_reader.parse_text("tree\nversion=v9\n")
    learner = {
        "gradient_booster": {
            "name": "gbtree",
            "model": {"trees": [], "tree_info": [], "gbtree_model_param": {}},
        },
        "learner_model_param": {"base_score": "5E-1", "num_class": "0", "num_feature": "2"},
        "objective": {"name": "mine"},
    }
    with pytest.raises(UnsupportedModelError, match="'mine'"):
        xgboost_reader.parse_document({"learner": learner})


@pytest.mark.parametrize("values", [["z", "x", "y"], [-2.0, 0.5, 7.0]], ids=["text", "fractions"])
def test_histogram_categories_that_are_no_codes_are_known_by_their_positions(values: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    drawn = rng.integers(3, size=60)
    frame = pandas.DataFrame({"a": rng.normal(size=60), "b": pandas.Categorical(np.array(values)[drawn])})
    model = HistGradientBoostingRegressor(max_iter=4, categorical_features="from_dtype", min_samples_leaf=3)
    model.fit(frame, frame["a"] + np.array([5.0, 0.0, -5.0])[drawn])
    levels = category_levels(model)
    assert levels == {1: sorted(values)}
    rows = np.column_stack([frame["a"], [levels[1].index(value) for value in frame["b"]]])
    ensemble = TreeEnsemble.from_model(model)
    np.testing.assert_allclose(ensemble.predict(rows)[:, 0], model.predict(frame), rtol=0, atol=1e-12)


@pytest.mark.parametrize("link", ["logit", "one-vs-rest logit", "softmax", "log", "identity"])
def test_mapped_values_add_up_at_any_distance(link: Any) -> None:
    rng = np.random.default_rng(1)
    for spread in (1e-9, 1e-3, 1.0, 20.0):
        values = spread * rng.normal(size=(3, 40, 5))
        base = rng.normal(size=3)
        mapped, mapped_base = to_predictions(values, base, link=link, scale=1.0)
        margin = base[:, None] + values.sum(axis=2)
        want = inverse_link(margin, link=link)
        total = mapped.sum(axis=2) + mapped_base[:, None]
        np.testing.assert_allclose(total, want, rtol=1e-10, atol=1e-10)


def test_links_that_are_not_known_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="signed square root"):
        to_predictions(np.zeros((1, 1, 1)), np.zeros(1), link="signed square root")


def test_a_tree_explainer_passes_on_the_limit_and_shows_the_building_of_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from explanation_client import progress
    from explanation_client.errors import InvalidArgumentError
    from explanation_client.explainers import TreeExplainer

    monkeypatch.setattr(progress, "_DELAY", 0)
    # Compiled from the first row on: numpy needs no tables.
    monkeypatch.setattr(explain, "_WORTH_LOADING", -1.0)
    x = np.random.default_rng(0).normal(size=(60, 5))
    model = RandomForestClassifier(7, max_depth=3, random_state=0).fit(x, x[:, 0] > x[:, 1])

    def values(**options: Any) -> tuple[Any, int]:
        explainer = TreeExplainer(model, x[:9], feature_perturbation="interventional", **options)
        return explainer.explain_local(x).local_importance_values, explainer._engine.tables.table_bytes

    with_tables, size = values(show_progress=True)
    shown = capsys.readouterr().err
    assert "Preparing the background" in shown
    assert "/7 [" in shown
    walked, small = values(show_progress=False, memory_limit=0)
    assert not capsys.readouterr().err
    np.testing.assert_allclose(walked, with_tables, atol=1e-12)
    assert small < size
    with pytest.raises(InvalidArgumentError, match="memory_limit=-1: a number of bytes"):
        TreeExplainer(model, x[:9], memory_limit=-1)


LATE = """
import sys
from explanation_client.treeshap import TreeEnsemble, TreeTables, explain, shap_values
assert not {"numba", "lightgbm", "xgboost", "sklearn", "shap"} & set(sys.modules)
import numpy as np
from tests.unit.treeshap import oracle
ensemble = oracle.random_ensemble(np.random.default_rng(3), 5, trees=6, depth=5)
rows = oracle.random_rows(np.random.default_rng(4), 100, 5)
tables = TreeTables(ensemble, rows[:20])
tables.interaction_values(rows[:2])
total = tables.shap_values(rows).sum(axis=2).T + tables.base_values
assert abs(total - ensemble.predict(rows)).max() < 1e-12
first = shap_values(ensemble, rows)
assert "numba" not in sys.modules
explain._WORTH_LOADING = 0.1
tables = TreeTables(ensemble)
calls = 0
while "numba" not in sys.modules:
    row = tables.shap_values_row(rows[calls % 100])
    assert abs(row - first[:, calls % 100]).max() < 1e-12
    calls += 1
assert 10 < calls < 1_000, calls
"""


def test_numba_is_imported_when_work_has_come_to_what_that_takes() -> None:
    subprocess.run([sys.executable, "-c", LATE], check=True)


def test_names_that_do_not_exist() -> None:
    import explanation_client.treeshap as package

    with pytest.raises(AttributeError, match="nothing_like_it"):
        package.nothing_like_it  # noqa: B018
    assert explain.MEMORY_LIMIT > 0


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which the package and the home are files, not folders; returns its temporary folder."""
    from explanation_client.treeshap.kernels import jit

    blocked = tmp_path / "blocked"
    blocked.write_text("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(jit, "_PACKAGE", blocked)
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(blocked))
    return temporary


def test_compiled_code_goes_to_a_private_folder_where_nothing_else_can_be_written(without_cache: Path) -> None:
    from explanation_client.treeshap.kernels import jit

    found = jit.cache_folder.__wrapped__()
    assert found is not None
    private = next(without_cache.iterdir())
    assert found.parent == private
    assert private.stat().st_mode & 0o077 == 0
    # A folder that others can write is not trusted: what is in it would be run.
    private.chmod(0o777)
    assert jit.cache_folder.__wrapped__() is None
    private.rename(without_cache / "moved")
    private.write_text("a file")
    assert jit.cache_folder.__wrapped__() is None


def test_kernels_work_without_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from explanation_client.treeshap.kernels import jit

    monkeypatch.setattr(jit, "cache_folder", lambda: None)

    def double(x: int) -> int:
        return 2 * x

    assert jit.kernel(double)(3) == 6


def test_compiled_code_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from explanation_client.treeshap.kernels import jit

    monkeypatch.setattr(jit, "_PACKAGE", tmp_path)
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "simd.py").write_text("WIDTH = 16")
    before = jit.cache_folder.__wrapped__()
    assert before == jit.cache_folder.__wrapped__()
    (tmp_path / "kernels" / "simd.py").write_text("WIDTH = 8")
    assert jit.cache_folder.__wrapped__() != before
