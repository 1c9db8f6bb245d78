"""By default no explained row, and no name of one, is in any byte that a stream stores; and labels have no way there.

The same canaries and the same search as of uploads. Spark's streams are in ``test_spark.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explanation_client import ExplanationClient
from explanation_client.errors import ExplanationError, UploadError
from explanation_client.explainers import (
    KernelExplainer,
    LIMEExplainer,
    LinearExplainer,
    TabularExplainer,
    TreeExplainer,
)
from tests.support.canaries import (
    CANARIES,
    CATEGORY,
    CLASSES,
    COLUMNS,
    IN_ROW,
    LABELS,
    MIXED,
    MIXED_TRAIN,
    ROW_NAME,
    ROWS,
    SIGNAL,
    TRAIN,
    found_in,
    left_by,
)
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration

# Names of rows, and the name that all of them have together.
NAMED = ROWS.rename_axis(index=ROW_NAME)
NAMED_MIXED = MIXED.rename_axis(index=ROW_NAME)
TOWNS = pd.CategoricalDtype(["north", "south", CATEGORY])


def batches(rows: Any) -> Iterator[Any]:
    """The rows in batches of five."""
    for first in range(0, len(rows), 5):
        yield rows[first : first + 5]


def pipeline() -> Pipeline:
    steps = ColumnTransformer(
        [("n", StandardScaler(), COLUMNS), ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"])]
    )
    return make_pipeline(steps, LogisticRegression()).fit(MIXED_TRAIN, CLASSES)


def of_categories() -> TreeExplainer:
    known = MIXED_TRAIN.astype({"town": pd.CategoricalDtype(["north", "south"])})
    return TreeExplainer(lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1).fit(known, CLASSES))


def in_arrow() -> pa.Table:
    """The rows with a dictionary column, and row names in what Arrow carries along."""
    table = pa.Table.from_pandas(MIXED.astype({"town": TOWNS}), preserve_index=False)
    return table.replace_schema_metadata({"names of rows": ",".join(MIXED.index)})


def in_file(folder: Path) -> str:
    pq.write_table(in_arrow(), folder / "rows.parquet", row_group_size=5)
    return str(folder / "rows.parquet")


def trees(**more: Any) -> TreeExplainer:
    return TreeExplainer(RandomForestClassifier(5, random_state=0).fit(TRAIN, CLASSES), **more)


def mixed(**more: Any) -> TabularExplainer:
    return TabularExplainer(pipeline(), MIXED_TRAIN, **more)


# Of each kind the explainer and the stream, made when it is needed: a stream is read once.
Made = Callable[[Path], tuple[Any, Any, dict[str, Any]]]
STREAMED: dict[str, Made] = {
    "frames": lambda _: (trees(), batches(NAMED), {}),
    "arrays": lambda _: (trees(), batches(ROWS.to_numpy()), {}),
    "cut rows": lambda _: (trees(), batches(NAMED), {"top_k": 2}),
    "no local importances": lambda _: (trees(), batches(NAMED), {"include_local": False}),
    "interactions": lambda _: (
        TreeExplainer(GradientBoostingClassifier(n_estimators=5).fit(TRAIN, CLASSES), interactions=True),
        batches(NAMED),
        {},
    ),
    "linear": lambda _: (LinearExplainer(LinearRegression().fit(TRAIN, SIGNAL), TRAIN), batches(NAMED), {}),
    "kernel": lambda _: (KernelExplainer(KNeighborsRegressor().fit(TRAIN, SIGNAL), TRAIN), batches(NAMED), {}),
    "lime": lambda _: (LIMEExplainer(KNeighborsRegressor().fit(TRAIN, SIGNAL), TRAIN), batches(NAMED), {}),
    "strings": lambda _: (mixed(), batches(NAMED_MIXED), {}),
    "engineered": lambda _: (mixed(), batches(NAMED_MIXED), {"engineered": True}),
    "categories": lambda _: (of_categories(), batches(NAMED_MIXED.astype({"town": TOWNS})), {}),
    "a Parquet file": lambda folder: (mixed(), in_file(folder), {}),
    "a dataset": lambda folder: (mixed(), ds.dataset(in_file(folder)), {}),
    "a reader": lambda _: (mixed(), in_arrow().to_reader(max_chunksize=5), {}),
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)


@pytest.mark.parametrize("kind", STREAMED)
def test_no_canary_leaves_by_default(
    kind: str,
    client: ExplanationClient,
    run: Run,
    tracking_server: TrackingServer,
    tmp_path: Path,
    own_home: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    explainer, rows, more = STREAMED[kind](tmp_path)
    info = client.upload_stream(explainer, rows, comment=kind, describe_run=True, **more)
    assert info.n_rows == len(ROWS)
    left = left_by(run, tracking_server)
    assert any(name.endswith(".parquet") for name in left.parts)
    assert any(name.endswith("dashboard.html") for name in left.parts)
    assert any("view-" in name for name in left.parts) == ("include_local" not in more)
    assert left.canaries() == {}
    assert found_in((caplog.text + "".join(capfd.readouterr())).encode(), CANARIES) == set()
    assert client.download_model_explanation().data is None
    assert not own_home.exists() or all(
        found_in(path.read_bytes(), CANARIES) == set() for path in own_home.rglob("*") if path.is_file()
    )


def test_the_search_finds_what_is_stored_on_request(
    client: ExplanationClient, run: Run, tracking_server: TrackingServer, tmp_path: Path
) -> None:
    """Else the test above could not fail. Names of rows are not stored even then."""
    for kind in ("strings", "categories", "a Parquet file"):
        explainer, rows, _ = STREAMED[kind](tmp_path)
        client.upload_stream(explainer, rows, evaluation_data=True)
    found = left_by(run, tracking_server).canaries()
    assert found.keys() == {IN_ROW, CATEGORY}
    for canary in found:
        assert any(name.endswith(".html") for name in found[canary]), canary
        assert sum(name.endswith(".parquet") for name in found[canary]) >= 3, canary


def test_no_canary_is_said_when_a_stream_fails(
    client: ExplanationClient, run: Run, own_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    nobody = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=1)
    labelled = NAMED.assign(label=LABELS)
    broken: list[tuple[ExplanationClient, Any, dict[str, Any]]] = [
        (nobody, NAMED, {}),
        (client, labelled, {}),  # labels are no column of the model's, and refused
        (client, NAMED.drop(columns="age"), {}),
        (client, NAMED.reset_index(), {}),
        (client, NAMED, {"top_k": 99}),
    ]
    said = []
    for one, rows, more in broken:
        with pytest.raises(ExplanationError) as refused:
            one.upload_stream(trees(), batches(rows), **more)
        assert isinstance(refused.value, UploadError) == (one is nobody)
        said.append(chain_of(refused.value))
    assert found_in("\n".join(said).encode(), (*CANARIES[:2], f"{ROW_NAME}-", *CANARIES[3:])) == set()
    assert found_in(caplog.text.encode(), CANARIES) == set()
    assert [path for path in own_home.rglob("*") if path.is_file()] == []


def chain_of(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)
