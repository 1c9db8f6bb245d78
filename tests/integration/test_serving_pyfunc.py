"""A scoring explainer as a model of MLflow: logged, registered, loaded, served and packed by MLflow itself."""

from __future__ import annotations

import json
import os
import pickletools
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC
from xgboost import XGBClassifier

from explanation_client.explainers import KernelExplainer, LinearExplainer, TabularExplainer
from explanation_client.scoring import ScoringExplainer, load, load_scoring_explainer
from explanation_client.scoring.pyfunc import log_pyfunc, requirements, save_pyfunc
from tests.support.servers import TrackingServer
from tests.support.services import ScoringService

pytestmark = [
    pytest.mark.integration,
    # MLflow's, where it saves the example row of a model.
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

DATA = load_breast_cancer(as_frame=True)
ROWS: pd.DataFrame = DATA.data[:4]
# Set for every process that loads the model.
NO_PICKLE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
HEADERS = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def explainer() -> ScoringExplainer:
    model = RandomForestClassifier(10, max_depth=4, random_state=0).fit(DATA.data, DATA.target)
    return TabularExplainer(model, DATA.data, classes=["malignant", "benign"]).create_scoring_explainer(DATA.data)


@pytest.fixture(scope="module")
def saved(explainer: ScoringExplainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyfunc") / "model"
    save_pyfunc(explainer, path)
    # Loads the compiled loops, so that they compute in this process what they compute in the service.
    load(path / "artifacts" / "scoring_explainer")
    return path


@pytest.fixture(scope="module")
def served(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringService]:
    """``mlflow models serve`` of the model."""
    command = (sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local")
    arguments = ("--model-uri", str(saved), "--port", "{port}", "--workers", "1")
    service = ScoringService(tmp_path_factory.mktemp("serve"), arguments, NO_PICKLE, command)
    try:
        service.start()
        yield service
    finally:
        service.kill()


def ask(service: ScoringService, body: dict[str, Any]) -> Any:
    response = requests.post(f"{service.uri}/invocations", json=body, headers=HEADERS, timeout=60)
    assert response.status_code == 200, response.text
    # MLflow puts an answer that is an object into another one.
    return response.json()["predictions"]


def test_mlflow_serves_predictions_and_importances(served: ScoringService, explainer: ScoringExplainer) -> None:
    answer = ask(served, {"dataframe_split": ROWS.to_dict(orient="split")})
    assert answer["predictions"] == explainer.predict(ROWS).tolist()
    assert answer["probabilities"] == explainer.predict_proba(ROWS).tolist()
    assert answer["local_importance_values"] == explainer.explain(ROWS).tolist()
    assert answer["features"] == list(explainer.features)
    assert answer["expected_values"] == explainer.expected_values.tolist()


def test_mlflow_ranks_the_top_k(served: ScoringService, explainer: ScoringExplainer) -> None:
    records = {"dataframe_records": ROWS.to_dict(orient="records")}
    answer = ask(served, {**records, "params": {"top_k": 4}})
    values = explainer.explain(ROWS)
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")[..., :4]
    assert np.array_equal(answer["local_importance_values"], np.take_along_axis(values, order, -1))
    assert answer["local_importance_names"] == np.array(explainer.features)[order].tolist()


def test_mlflow_predicts_alone_on_request(served: ScoringService, explainer: ScoringExplainer) -> None:
    answer = ask(served, {"dataframe_split": ROWS.to_dict(orient="split"), "params": {"explain": False}})
    assert set(answer) == {"predictions", "probabilities"}
    assert answer["predictions"] == explainer.predict(ROWS).tolist()


def test_mlflow_packs_it_with_pinned_requirements(saved: Path, tmp_path: Path) -> None:
    command = ["models", "generate-dockerfile", "--model-uri", str(saved), "--output-directory", str(tmp_path / "out")]
    subprocess.run(
        [sys.executable, "-m", "mlflow", *command], check=True, env={**os.environ, **NO_PICKLE}, capture_output=True
    )
    dockerfile = (tmp_path / "out" / "Dockerfile").read_text()
    copied = re.search(r"^COPY (\S+) /opt/ml/model$", dockerfile, re.MULTILINE)
    assert copied is not None
    assert "_install_pyfunc_deps('/opt/ml/model'" in dockerfile
    assert f"pip install mlflow=={version('mlflow')}" in dockerfile
    packed = tmp_path / "out" / copied[1]
    assert (packed / "artifacts" / "scoring_explainer" / "scoring_explainer.json").is_file()
    lines = (packed / "requirements.txt").read_text().split()
    pinned = dict(line.split("==") for line in lines)
    assert {"explanation-client[scoring]", "mlflow", "numba", "numpy", "pandas", "skops"} <= set(pinned)
    for package, number in pinned.items():
        assert version(package.partition("[")[0]) == number
    # The forest has been taken out of its library: neither shap nor a library of models is shipped.
    assert not {"shap", "lightgbm", "xgboost"} & set(pinned)


def test_requirements_name_the_library_of_a_model_that_was_kept() -> None:
    rows = DATA.data.to_numpy()[:60]
    model = SVC().fit(rows, DATA.target[:60])
    explainer = KernelExplainer(model, rows[:5], nsamples=64).create_scoring_explainer(rows)
    assert f"scikit-learn=={version('scikit-learn')}" in requirements(explainer)
    booster = XGBClassifier(n_estimators=2).fit(rows, DATA.target[:60])
    kernel = KernelExplainer(booster, rows[:5], nsamples=64).create_scoring_explainer(rows)
    assert f"xgboost-cpu=={version('xgboost-cpu')}" in requirements(kernel)
    assert not [line for line in requirements(explainer) if line.startswith("xgboost")]


def test_nothing_in_it_is_a_pickle(saved: Path) -> None:
    for file in saved.rglob("*"):
        if file.is_file():
            assert not is_pickle(file.read_bytes()), file
            assert str(Path.cwd()) not in file.read_bytes().decode(errors="replace"), file


def test_loading_it_unpickles_nothing(tmp_path: Path) -> None:
    # A linear model: numba's own cache of compiled code, which a model of trees uses, is made of pickles.
    model = LinearRegression().fit(DATA.data, DATA.target)
    save_pyfunc(LinearExplainer(model, DATA.data).create_scoring_explainer(DATA.data), tmp_path / "model")
    code = (
        "import sys, mlflow.pyfunc; found = []\n"
        "sys.addaudithook(lambda event, args: found.append(args) if event == 'pickle.find_class' else None)\n"
        f"model = mlflow.pyfunc.load_model({str(tmp_path / 'model')!r})\n"
        "assert model.predict(model.input_example)['local_importance_values']\n"
        "assert not found, found\n"
        "import pickle; pickle.loads(b'cbuiltins\\nlen\\n.'); assert found\n"
    )
    environment = {**os.environ, **NO_PICKLE}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)


def test_it_is_registered_and_loaded_by_name(
    explainer: ScoringExplainer, tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.uri)
    try:
        with mlflow.start_run():
            logged = log_pyfunc(explainer, registered_model_name="served")
        assert logged.model_uri.startswith("models:/")
        model = mlflow.pyfunc.load_model("models:/served/1")
        assert np.array_equal(load_scoring_explainer("models:/served/1").explain(ROWS), explainer.explain(ROWS))
    finally:
        mlflow.set_tracking_uri(before)
    answer = model.predict(ROWS, params={"top_k": 2})
    assert np.array(answer["local_importance_values"]).shape == (2, 4, 2)
    params = model.metadata.signature.params.to_dict()
    assert [(param["name"], param["default"]) for param in params] == [("explain", True), ("top_k", None)]
    outputs = {spec["name"]: spec["type"] for spec in model.metadata.signature.outputs.to_dict()}
    assert set(outputs) == set(explained_names(explainer))


def test_columns_have_their_types(tmp_path: Path) -> None:
    raw = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0] * 5, "city": ["Paris", "Rome"] * 10})
    transformer = ColumnTransformer([("age", "passthrough", ["age"]), ("city", OneHotEncoder(), ["city"])]).fit(raw)
    model = LinearRegression().fit(transformer.transform(raw), raw["age"])
    explainer = LinearExplainer(model, raw, transformations=transformer).create_scoring_explainer(raw)
    save_pyfunc(explainer, tmp_path / "model")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert [spec["type"] for spec in loaded.metadata.signature.inputs.to_dict()] == ["double", "string"]
    answer = loaded.predict(raw[:3])
    assert answer["features"] == ["age", "city"]
    assert answer["local_importance_values"] == explainer.explain(raw[:3]).tolist()


def explained_names(explainer: ScoringExplainer) -> list[str]:
    names = ["predictions", "probabilities", "local_importance_values", "features", "expected_values", "classes"]
    return names if explainer.classes else [name for name in names if name not in ("probabilities", "classes")]


def is_pickle(data: bytes) -> bool:
    """Whether bytes are a pickle from the first to the last."""
    try:
        opcodes = list(pickletools.genops(data))
    except (ValueError, IndexError, UnicodeDecodeError, OverflowError):
        return False
    return len(opcodes) > 1


def test_a_pickle_is_told_from_other_files() -> None:
    import pickle

    assert is_pickle(pickle.dumps({"a": 1}))
    assert not is_pickle(json.dumps({"a": 1}).encode())
