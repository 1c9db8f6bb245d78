"""Explained on Spark: the same explanation as in one process, whatever happens to its tasks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, UploadError
from explanation_client.explainers import TabularExplainer, TreeExplainer
from explanation_client.explanation import Explanation
from explanation_client.info import ExplanationInfo
from explanation_client.scoring import save
from explanation_client.spark import explain_spark
from tests.integration.test_docs import run_blocks
from tests.support import spark as executors
from tests.support.canaries import CATEGORY, CLASSES, IN_ROW, MIXED, MIXED_TRAIN, left_by
from tests.support.servers import Run, TrackingServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NAMES = [f"c{i}" for i in range(12)]
ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((900, 12)), columns=NAMES)
TARGET = (ROWS["c0"] + ROWS["c1"] * ROWS["c2"] > 0).astype(int)
MODEL = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=7, verbose=-1, n_jobs=1).fit(ROWS, TARGET)


@pytest.fixture(scope="module", autouse=True)
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One session for all tests: two threads, and four attempts at each task, as clusters have."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    cloudpickle.register_pickle_by_value(executors)
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.sql.shuffle.partitions": "3",
        "spark.log.level": "OFF",
    }
    builder = SparkSession.builder.master("local[2,4]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)


def frame(session: SparkSession) -> DataFrame:
    """The rows in three partitions, of which one is much larger than the others."""
    sizes = pa.array(np.repeat([0, 1, 2], [700, 150, 50]))
    table = pa.Table.from_pandas(ROWS).append_column("place", sizes)
    return session.createDataFrame(table).repartitionByRange(3, "place").drop("place")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The rows in four files of different sizes, in row groups of 30: more groups than there are tasks."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for number, (start, end) in enumerate([(0, 310), (310, 311), (311, 800), (800, 900)]):
        ROWS[start:end].to_parquet(folder / f"{number}.parquet", row_group_size=30)
    return folder


def explainer() -> TreeExplainer:
    return TreeExplainer(MODEL, show_progress=False)


def check(client: ExplanationClient, info: ExplanationInfo, run: Run) -> Explanation:
    """Assert that the explanation is one of all rows, each once, and that nothing else is stored; return it."""
    found = client.download_model_explanation(info.id)
    assert found.data is not None
    rows = found.data.matrix()
    order, wanted_order = np.lexsort(rows.T), np.lexsort(ROWS.to_numpy().T)
    assert np.array_equal(rows[order], ROWS.to_numpy()[wanted_order])
    wanted = explainer().explain_global(rows)
    # Each process begins in numpy and goes on in compiled loops, which round differently.
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.global_importance_values, wanted.global_importance_values, rtol=1e-12)
    np.testing.assert_allclose(found.per_class_values, wanted.per_class_values, rtol=1e-12)
    for top_k in (1, 4, 10):
        cut = client.download_model_explanation(info.id, top_k=top_k)
        assert cut.get_ranked_global_names().tolist() == wanted.get_ranked_global_names(top_k).tolist()
        assert np.array_equal(cut.get_ranked_local_names(), found.get_ranked_local_names(top_k))
    (report,) = client.verify(info.id)
    assert report.ok
    stored = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri).list(f"explanations/{info.id}")
    # All files of the manifest, itself, the page; and none of an attempt that was repeated.
    assert len(stored) == report.files + 2
    assert client.gc(older_than_hours=1) == ()
    return found


def check_order(found: Explanation) -> None:
    """Assert that the rows are in the order of the files."""
    assert found.data is not None
    assert np.array_equal(found.data.matrix(), ROWS.to_numpy())
    wanted = explainer().explain_global(ROWS)
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, rtol=1e-12, atol=1e-12)


def test_the_result_is_that_of_one_process(session: SparkSession, client: ExplanationClient, run: Run) -> None:
    info = explain_spark(
        executors.Small(explainer()), frame(session), run=client, comment="on Spark", evaluation_data=True
    )
    found = check(client, info, run)
    assert found.info.comment == "on Spark"
    assert [listed.id for listed in client.list_model_explanations()] == [info.id]
    with_view = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri).list(f"explanations/{info.id}")
    assert any(stat.name.startswith("view-1") for stat in with_view)


def test_executors_load_a_saved_explainer(
    session: SparkSession, client: ExplanationClient, run: Run, tmp_path: Path
) -> None:
    save(explainer().create_scoring_explainer(ROWS), directory=tmp_path / "scoring")
    info = explain_spark(tmp_path / "scoring", frame(session), run=client, evaluation_data=True)
    found = client.download_model_explanation(info.id)
    assert found.data is not None
    wanted = explainer().explain_global(found.data.matrix())
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, rtol=1e-9, atol=1e-12)
    with pytest.raises(InvalidArgumentError, match="there is no folder"):
        explain_spark(tmp_path / "nothing", frame(session), run=client)


@pytest.mark.parametrize("how", ["killed", "failed"])
@pytest.mark.parametrize("of", ["frame", "files"])
def test_a_task_that_ends_early_is_repeated_and_leaves_nothing(
    session: SparkSession, client: ExplanationClient, run: Run, files: Path, tmp_path: Path, of: str, how: str
) -> None:
    mark = tmp_path / "ended"
    ending = executors.Ending(explainer(), 3000 if of == "files" else 300, partition=0, how=how, mark=str(mark))
    rows = files if of == "files" else frame(session)
    # In small batches, so that some shards are written before the end.
    found = check(client, explain_spark(ending, rows, run=client, evaluation_data=True, batch_size=20), run)
    assert mark.read_text() == "ended\n"
    if of == "files":
        check_order(found)


@pytest.mark.parametrize("kind", ["path", "dataset"])
def test_files_are_explained_in_their_order(
    session: SparkSession, client: ExplanationClient, run: Run, files: Path, kind: str
) -> None:
    rows: Any = str(files) if kind == "path" else ds.dataset(files, format="parquet")
    info = explain_spark(
        executors.Small(explainer(), 3000), rows, session=session, run=client, evaluation_data=True, n_rows=900
    )
    check_order(check(client, info, run))


def test_a_task_explains_several_small_files(
    client: ExplanationClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows").mkdir()
    for number in range(36):
        ROWS[25 * number : 25 * number + 25].to_parquet(tmp_path / "rows" / f"{number:02}.parquet")
    # Executors are elsewhere.
    monkeypatch.chdir(tmp_path)
    check_order(check(client, explain_spark(explainer(), "rows", run=client, evaluation_data=True), run))


def test_files_are_cut_to_the_top_as_the_whole_would_be(client: ExplanationClient, files: Path) -> None:
    info = explain_spark(explainer(), files, run=client, top_k=4, visualize=False)
    cut, wanted = client.download_model_explanation(info.id), explainer().explain_global(ROWS)
    assert cut.get_ranked_global_names().tolist() == wanted.get_ranked_global_names(4).tolist()
    assert np.array_equal(cut.get_ranked_local_names(), wanted.get_ranked_local_names(4))


def test_categories_and_texts_are_those_of_a_stream(client: ExplanationClient, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 300),
            "city": rng.choice(["Bern", "Oslo", "Riga"], 300),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], 300), categories=["S", "M", "L", "XL"]),
        }
    )
    encode = make_column_transformer((OneHotEncoder(), ["city", "size"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(rows, rows["age"] > 50)
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=40)
    of_rows = TabularExplainer(model, rows[:50], show_progress=False)
    found, wanted = (
        client.download_model_explanation(info.id)
        for info in (
            explain_spark(of_rows, tmp_path / "rows.parquet", run=client, evaluation_data=True),
            client.upload_stream(of_rows, tmp_path / "rows.parquet", evaluation_data=True),
        )
    )
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, rtol=1e-12, atol=1e-12)
    assert found.data is not None
    assert wanted.data is not None
    for name, one, other in zip(found.data.names, found.data.columns or (), wanted.data.columns or (), strict=True):
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist() == rows[name].tolist()


def test_a_job_that_fails_lists_nothing_and_leaves_nothing(
    session: SparkSession, client: ExplanationClient, run: Run
) -> None:
    ending = executors.Ending(explainer(), partition=0, how="failed", attempts=9)
    with pytest.raises(UploadError, match="this task was to fail"):
        explain_spark(ending, frame(session), run=client)
    assert client.list_model_explanations() == []
    # The server may still list the folder.
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    assert [stat.path for folder in store.list("explanations") for stat in store.list(folder.path)] == []


def test_a_frame_that_cannot_be_explained_says_why(session: SparkSession, client: ExplanationClient) -> None:
    with pytest.raises(InvalidArgumentError, match="lack 'c11'"):
        explain_spark(explainer(), frame(session).drop("c11"), run=client)
    with pytest.raises(InvalidExplanationError, match="no rows"):
        explain_spark(explainer(), frame(session).limit(0), run=client)
    with pytest.raises(InvalidArgumentError, match="a DataFrame of Spark"):
        explain_spark(explainer(), ROWS, run=client)  # type: ignore[arg-type]
    for name, wrong in (("n_rows", 0), ("n_rows", 9.0), ("batch_size", 0), ("batch_size", "20"), ("top_k", 13)):
        with pytest.raises(InvalidArgumentError, match=f"{name}={wrong!r}"):
            explain_spark(explainer(), frame(session), run=client, **{name: wrong})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="top_k=0"):
        explain_spark(explainer(), frame(session), run=client, top_k=0)
    assert client.list_model_explanations() == []


def test_files_that_cannot_be_explained_say_why(client: ExplanationClient, files: Path, tmp_path: Path) -> None:
    def refused(rows: Any, match: str, error: type[Exception] = InvalidArgumentError, **more: Any) -> None:
        with pytest.raises(error, match=match):
            explain_spark(more.pop("of", explainer()), rows, run=client, **more)

    refused(tmp_path / "nothing", "there is no file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "without a Parquet file")
    ROWS[:0].to_parquet(tmp_path / "none.parquet")
    refused(tmp_path / "none.parquet", "no rows", InvalidExplanationError)
    refused(files, "n_rows=901, and the files have 900 rows", n_rows=901)
    refused(files, "pass a SparkSession", session="local")
    refused(ds.dataset(files).filter(ds.field("c0") > 0), "is filtered")
    refused(ds.dataset(pa.table({"c0": [1.0]})), "InMemoryDataset")
    ROWS.to_parquet(tmp_path / "moved.parquet")
    elsewhere = executors.Elsewhere(explainer(), str(tmp_path / "moved.parquet"))
    refused(tmp_path / "moved.parquet", "can't find what the driver found.*moved.parquet", of=elsewhere)
    (files / "2.parquet").write_text("no longer")
    refused(files, "2.parquet.*can't be read as Parquet")
    assert client.list_model_explanations() == []


def test_no_row_leaves_the_executors_by_default(
    session: SparkSession, client: ExplanationClient, run: Run, tracking_server: TrackingServer
) -> None:
    """The canaries of ``test_canaries_of_streams.py``; a DataFrame of Spark has no names of rows."""
    steps = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["town"]), remainder="passthrough")
    model = make_pipeline(steps, LogisticRegression()).fit(MIXED_TRAIN, CLASSES)
    planted = session.createDataFrame(MIXED).repartition(2)
    explaining = TabularExplainer(model, MIXED_TRAIN, show_progress=False)
    explain_spark(explaining, planted, run=client, describe_run=True)
    left = left_by(run, tracking_server)
    assert any(name.endswith("dashboard.html") for name in left.parts)
    assert any("view-" in name for name in left.parts)
    assert left.canaries() == {}
    explain_spark(explaining, planted, run=client, evaluation_data=True)
    assert left_by(run, tracking_server).canaries().keys() == {IN_ROW, CATEGORY}


def test_a_stored_explanation_is_a_frame_of_spark(session: SparkSession, client: ExplanationClient) -> None:
    info = explain_spark(executors.Small(explainer()), frame(session), run=client)
    found = client.download_model_explanation(info.id)
    for one, in_memory in (
        (client.download_model_explanation(info.id), found),
        (client.download_model_explanation(info.id)[100:250], found[100:250]),
        (client.download_model_explanation(info.id, top_k=3), found.cut(3)),
        (client.download_model_explanation(info.id).output(1), found.output(1)),
    ):
        rows = one.to_spark(session).toArrow()
        assert_same(rows, in_memory.to_arrow("local"))
    assert_same(found.load().to_spark(session).toArrow(), found.to_arrow("local"))


def assert_same(found: pa.Table, wanted: pa.Table) -> None:
    """Assert that two tables have the same rows, in any order."""
    assert found.column_names == wanted.column_names
    keys = [(name, "ascending") for name in ("output", "row", "rank") if name in wanted.column_names]
    for name in wanted.column_names:
        one, other = (table.sort_by(keys).column(name).to_pylist() for table in (found, wanted))
        assert one == other, name


def test_the_page_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    """In a process of its own, with a session of its own."""
    output = run_blocks("docs/scaling.md", tracking_server, tmp_path)
    # MLflow says where the run is.
    printed = [line for line in output.splitlines() if line.isascii()]
    assert printed[0].startswith("20000 ['c0' 'c")
    assert printed[-1] == "True"


def test_other_tools_read_the_shards(client: ExplanationClient, run: Run, tmp_path: Path) -> None:
    info = client.upload_stream(explainer(), iter([ROWS[:400], ROWS[400:]]))
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    for stat in store.list(f"explanations/{info.id}"):
        (tmp_path / stat.name).write_bytes(store.read(stat.path))
    wanted: Any = client.download_model_explanation(info.id).local_importance_values[1]
    shards = sorted(str(path) for path in tmp_path.glob("local-1-*.parquet"))
    assert np.array_equal(pd.concat(map(pd.read_parquet, shards))[NAMES].to_numpy(), wanted)
    with duckdb.connect() as database:
        found = database.sql(f"SELECT c0, c5 FROM '{tmp_path}/local-1-*.parquet'").fetchnumpy()
    assert np.array_equal(found["c0"], wanted[:, 0])
    assert np.array_equal(found["c5"], wanted[:, 5])
