"""By default no evaluation row, label or row name is in any byte that leaves this machine.

Canaries are planted in the rows, their labels and their names; then everything is searched that an upload leaves on the
server: files, unpacked whatever they are packed in, and the run's tags, metrics and parameters; and what was logged and
said here.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explanation_client import ExplanationClient
from explanation_client.errors import ExplanationError, UploadError
from explanation_client.explainers import (
    KernelExplainer,
    LIMEExplainer,
    LinearExplainer,
    MimicExplainer,
    PFIExplainer,
    TabularExplainer,
    TextExplainer,
    TreeExplainer,
)
from explanation_client.explanation import Explanation
from explanation_client.surrogates import LGBMExplainableModel, LinearExplainableModel
from tests.support.canaries import (
    CANARIES,
    CATEGORY,
    CLASSES,
    COLUMNS,
    IN_LABEL,
    IN_ROW,
    LABELS,
    MIXED,
    MIXED_TRAIN,
    ROW_NAME,
    ROWS,
    SIGNAL,
    TEXT,
    TRAIN,
    found_in,
    left_by,
)
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration


def of_pipeline() -> Explanation:
    steps = ColumnTransformer(
        [("n", StandardScaler(), COLUMNS), ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"])]
    )
    model = make_pipeline(steps, LogisticRegression()).fit(MIXED_TRAIN, CLASSES)
    return TabularExplainer(model, MIXED_TRAIN).explain_global(MIXED)


def of_mimic(surrogate: type) -> Explanation:
    model = KNeighborsRegressor().fit(TRAIN, SIGNAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how well it mimics, which is not the question
        return MimicExplainer(model, TRAIN, surrogate).explain_global(ROWS)


def of_network() -> Explanation:
    torch = pytest.importorskip("torch")
    from explanation_client.explainers import DeepExplainer

    network = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 1))
    return DeepExplainer(network, TRAIN.to_numpy(np.float32)).explain_global(ROWS.to_numpy(np.float32))


def of_text() -> Explanation:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["birds sing all day", "nobody told the bird", "the quick one sings", "it was quick"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 0, 1] * 5)
    return TextExplainer(model).explain_global([TEXT, "nobody sings"])


EXPLAINED: dict[str, Callable[[], Explanation]] = {
    "trees": lambda: TreeExplainer(RandomForestClassifier(5, random_state=0).fit(TRAIN, CLASSES)).explain_global(ROWS),
    "interactions": lambda: TreeExplainer(
        GradientBoostingClassifier(n_estimators=5).fit(TRAIN, CLASSES), interactions=True
    ).explain_global(ROWS),
    "linear": lambda: LinearExplainer(LinearRegression().fit(TRAIN, SIGNAL), TRAIN).explain_global(ROWS),
    "kernel": lambda: KernelExplainer(KNeighborsRegressor().fit(TRAIN, SIGNAL), TRAIN).explain_global(ROWS),
    "lime": lambda: LIMEExplainer(KNeighborsRegressor().fit(TRAIN, SIGNAL), TRAIN).explain_global(ROWS),
    "mimic of trees": lambda: of_mimic(LGBMExplainableModel),
    "mimic, linear": lambda: of_mimic(LinearExplainableModel),
    "permutation": lambda: PFIExplainer(LinearRegression().fit(TRAIN, SIGNAL)).explain_global(ROWS, LABELS),
    "pipeline": of_pipeline,
    "network": of_network,
    "text": of_text,
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)


@pytest.mark.parametrize("kind", EXPLAINED)
def test_no_canary_leaves_by_default(
    kind: str,
    client: ExplanationClient,
    run: Run,
    tracking_server: TrackingServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    explanation = EXPLAINED[kind]()
    client.upload_model_explanation(explanation, describe_run=True, comment=kind)
    left = left_by(run, tracking_server)
    assert any(name.endswith(".parquet") for name in left.parts)
    assert any(name.endswith("dashboard.html") for name in left.parts)
    assert left.canaries() == {}
    assert found_in((caplog.text + "".join(capfd.readouterr())).encode(), CANARIES) == set()
    assert client.download_model_explanation().data is None


def test_the_search_finds_what_is_sent_on_request(
    client: ExplanationClient, run: Run, tracking_server: TrackingServer
) -> None:
    """Else the test above could not fail."""
    client.upload_model_explanation(EXPLAINED["pipeline"](), evaluation_data=True, true_ys=LABELS)
    client.upload_model_explanation(EXPLAINED["text"](), evaluation_data=True)
    found = left_by(run, tracking_server).canaries()
    assert found.keys() == set(CANARIES)
    for canary in CANARIES:
        assert any(name.endswith(".html") for name in found[canary]), canary
        assert any(name.endswith(".parquet") for name in found[canary]), canary


def test_no_canary_is_said_when_an_upload_fails(run: Run, own_home: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    explanation = EXPLAINED["pipeline"]()
    nobody = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=1)
    with pytest.raises(UploadError) as unreachable:
        nobody.upload_model_explanation(explanation, true_ys=None)
    said = [chain_of(unreachable.value), caplog.text]
    for bad in ({"true_ys": LABELS[:3]}, {"evaluation_data": MIXED[:3]}, {"top_k": 99}):
        with pytest.raises(ExplanationError) as refused:
            nobody.upload_model_explanation(explanation, **bad)  # type: ignore[call-overload]
        said.append(chain_of(refused.value))
    assert found_in("\n".join(said).encode(), CANARIES) == set()
    # What waits on this machine for another attempt is what would have been sent.
    spooled = [path.read_bytes() for path in own_home.rglob("*") if path.is_file()]
    assert spooled
    assert set().union(*(found_in(data, CANARIES) for data in spooled)) == set()


def chain_of(error: BaseException | None) -> str:
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def packed_in_parquet(values: Sequence[Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"column": [values]}), sink, compression="zstd")
    return sink.getvalue()


def test_the_search_looks_into_what_is_packed() -> None:
    import base64
    import gzip

    inner = packed_in_parquet([IN_ROW, 1.0])
    page = b"<script>" + base64.b64encode(gzip.compress(inner)) + b"</script>"
    assert found_in(page, CANARIES) == {IN_ROW}
    assert found_in(packed_in_parquet(["a", CATEGORY]), CANARIES) == {CATEGORY}
    assert found_in(np.array([0, IN_LABEL], np.float32).tobytes(), CANARIES) == {IN_LABEL}
    assert found_in(b'{"name": "canary-row-3"}', CANARIES) == {ROW_NAME}
    assert found_in(b"nothing of the kind", CANARIES) == set()
