"""The client against a real tracking server."""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from explanation_client import ExplanationClient, Importances
from explanation_client.artifacts import RunArtifacts
from explanation_client.errors import (
    ExplanationError,
    ExplanationNotFoundError,
    FormatVersionError,
    InvalidArgumentError,
    InvalidExplanationError,
    LimitExceededError,
    PartMissingError,
    RunNotFoundError,
    StorageTimeoutError,
    UploadError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import Limits
from explanation_client.spool import read_spool
from explanation_client.store import folder_of
from explanation_client.tracking import TAG_PREFIX
from tests.strategies import explanation_of, random_explanation
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache and spool of each test in a folder of its own."""
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=30)


@pytest.fixture
def tracked(tracking_server: TrackingServer) -> Iterator[str]:
    """MLflow set to the tracking server."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.uri)
    yield tracking_server.uri
    mlflow.set_tracking_uri(before)


EXPLANATIONS = {
    "regression": random_explanation(1, 50, 8, dtype=np.float32),
    "binary": explanation_of(np.stack([-np.ones((4, 3)), np.ones((4, 3))])),
    "multiclass": random_explanation(3, 20, 12),
    "single row": explanation_of(np.random.default_rng(1).standard_normal((2, 1, 30)), single_row=True),
    "global only": replace(random_explanation(3, 20, 12), local_importances=None),
    "local only": explanation_of(np.random.default_rng(1).standard_normal((1, 5, 4)), with_global=False),
    "cut": random_explanation(3, 20, 12).cut(3),
    "hostile names": explanation_of(np.ones((1, 1, 3)), features=("</script>", "\u202egnirts\0", "x" * 10_000)),
}


@pytest.mark.parametrize("kind", EXPLANATIONS)
def test_what_is_downloaded_equals_what_was_uploaded(client: ExplanationClient, kind: str) -> None:
    explanation = EXPLANATIONS[kind]
    info = client.upload_model_explanation(explanation, comment=f"a {kind}")
    assert info is not None
    downloaded = client.download_model_explanation(info.id)
    assert downloaded == explanation
    assert downloaded.info.comment == f"a {kind}"
    assert client.verify()[0].ok


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass", "single row", "global only", "local only"])
def test_a_cut_at_upload_and_a_cut_at_download_are_the_same(client: ExplanationClient, kind: str) -> None:
    explanation = EXPLANATIONS[kind]
    whole = client.upload_model_explanation(explanation)
    cut = client.upload_model_explanation(explanation, top_k=2)
    assert whole is not None
    assert cut is not None
    assert client.download_model_explanation(cut.id) == client.download_model_explanation(whole.id, top_k=2)
    assert client.download_model_explanation(cut.id) == explanation.cut(2)
    assert cut.top_k == 2


def test_the_latest_match_is_downloaded(client: ExplanationClient) -> None:
    first = explanation_of(np.full((1, 2, 2), 1.0))
    second = explanation_of(np.full((1, 2, 2), 2.0))
    # The order of upload counts, not the order in which they were made.
    client.upload_model_explanation(second, comment="b")
    client.upload_model_explanation(first, comment="a")
    assert client.download_model_explanation() == first
    assert client.download_model_explanation(comment="b") == second
    assert [info.comment for info in client.list_model_explanations()] == ["b", "a"]
    assert [info.comment for info in client.list_model_explanations(comment="a")] == ["a"]


def test_raw_and_engineered_explanations_are_told_apart(client: ExplanationClient) -> None:
    for space in ("raw", "engineered", None):
        explanation = random_explanation(1, 2, 3)
        info = replace(explanation.info, feature_space=space)
        client.upload_model_explanation(replace(explanation, info=info), comment=str(space))
    assert client.download_model_explanation(raw=True).info.comment == "raw"
    assert client.download_model_explanation(engineered=True).info.comment == "engineered"
    assert [i.comment for i in client.list_model_explanations(raw=False)] == ["engineered", "None"]


def test_the_same_explanation_can_be_stored_twice(client: ExplanationClient) -> None:
    explanation = random_explanation(1, 2, 3)
    first = client.upload_model_explanation(explanation)
    second = client.upload_model_explanation(explanation, top_k=1)
    assert first is not None
    assert second is not None
    assert first.id == explanation.id
    assert second.id != first.id
    assert len(client.list_model_explanations()) == 2


def test_a_listing_says_what_there_is(client: ExplanationClient) -> None:
    explanation = explanation_of(np.array([[[1.0, -3.0, 2.0]]]), features=("a", "b", "c"))
    stored = client.upload_model_explanation(explanation, comment="é" * 600)
    (listed,) = client.list_model_explanations()
    assert stored is not None
    assert (listed.id, listed.method, listed.task) == (stored.id, "shap_tree", "regression")
    assert (listed.n_features, listed.n_rows, listed.top_features) == (3, 1, ("b", "c", "a"))
    assert set(listed.parts) == {"global", "local"}
    assert listed.uploaded_at == stored.uploaded_at
    # A long comment is cut in the listing, and still found by its full text.
    assert listed.comment is not None
    assert listed.comment.startswith("ééé")
    assert client.download_model_explanation(comment="é" * 600).info.comment == "é" * 600
    with pytest.raises(ExplanationNotFoundError):
        client.download_model_explanation(comment="é" * 599)


def test_what_does_not_exist_is_named_beside_what_does(client: ExplanationClient, run: Run) -> None:
    with pytest.raises(ExplanationNotFoundError, match="none at all"):
        client.download_model_explanation()
    client.upload_model_explanation(random_explanation(1, 2, 3), comment="the only one")
    missing = f"run {run.run_id} has no explanation with comment 'x'.*the only one"
    with pytest.raises(ExplanationNotFoundError, match=missing):
        client.download_model_explanation(comment="x")
    with pytest.raises(ExplanationNotFoundError, match="the only one"):
        client.delete_model_explanation("0190-nothing")
    with pytest.raises(ExplanationNotFoundError, match="the only one"):
        client.download_model_explanation("0190-nothing")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": -4}, "top_k=-4"),
        ({"top_k": 4}, "has 3 features"),
        ({"top_k": 2.0}, "whole number"),
        ({"comment": 7}, "comment"),
        ({"comment": "x" * 10_001}, "10,001 characters"),
        ({"true_ys": [1]}, "true_ys has 1 values, 2 rows"),
        ({"true_ys": [[1], [2]]}, "true_ys"),
        ({"evaluation_data": np.zeros((5, 3))}, "5 rows"),
        ({"evaluation_data": True}, "does not hold the explained rows"),
        ({"evaluation_data": "rows"}, "pandas"),
        ({"model_id": "m-unknown"}, "m-unknown"),
        ({"on_error": "ignore"}, "'raise' or 'warn'"),
    ],
)
def test_bad_arguments_leave_nothing_behind(
    client: ExplanationClient, run: Run, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ExplanationError, match=reason):
        client.upload_model_explanation(random_explanation(1, 2, 3), **arguments)
    assert client.list_model_explanations() == []
    assert RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri).list("explanations") == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_name(client: ExplanationClient, run: Run, bad: float) -> None:
    values = np.zeros((2, 3, 2))
    values[1, 2, 0] = bad
    explanation = replace(random_explanation(2, 3, 2), local_importances=Importances(values))
    with pytest.raises(InvalidExplanationError, match="'feature 0'"):
        client.upload_model_explanation(explanation)
    assert RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri).list("explanations") == ()


def test_what_is_no_explanation_is_refused_by_its_type(client: ExplanationClient) -> None:
    with pytest.raises(InvalidArgumentError, match=r"numpy\.ndarray"):
        client.upload_model_explanation(np.zeros(3))


def test_the_run_may_come_first(tracked: str) -> None:
    explanation = random_explanation(1, 2, 3)
    with mlflow.start_run() as run:
        client = ExplanationClient.from_run(run)
        client.upload_model_explanation(run, explanation, top_k=2, comment="by keyword")
        client.upload_model_explanation(run, explanation, 1, "by position")
        client.upload_model_explanation(explanation, 1, "without the run")
        client.upload_model_explanation(run.info.run_id, explanation)
    assert [info.top_k for info in client.list_model_explanations()] == [2, 1, 1, None]
    with mlflow.start_run() as other, pytest.raises(InvalidArgumentError, match=other.info.run_id):
        client.upload_model_explanation(other, explanation)
    with pytest.raises(InvalidArgumentError, match="top_k was given twice"):
        client.upload_model_explanation(explanation, 1, top_k=2)


def test_the_active_run_is_found(tracked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunNotFoundError, match="no run is active"):
        ExplanationClient.from_run()
    with mlflow.start_run() as run:
        assert ExplanationClient.from_run().run_id == run.info.run_id
    assert ExplanationClient.from_run(MlflowClient().get_run(run.info.run_id)).run_id == run.info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    assert ExplanationClient.from_run().run_id == run.info.run_id
    with pytest.raises(InvalidArgumentError, match="int"):
        ExplanationClient.from_run(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("uri", ["localhost:5000", "ftp://127.0.0.1"])
def test_a_tracking_uri_that_is_none_is_named(uri: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"{uri}.*http://"):
        ExplanationClient.from_run_id(uri, run_id="0" * 32)


def test_the_experiment_is_checked_where_it_is_given(tracking_server: TrackingServer, run: Run) -> None:
    workspaces: tuple[Any, ...] = (tracking_server.uri, MlflowClient(tracking_server.uri))
    for workspace in workspaces:
        client = ExplanationClient.from_run_id(workspace, "tests", run.run_id)
        assert client.tracking_uri == tracking_server.uri
    with pytest.raises(RunNotFoundError, match="belongs to experiment 'tests', not to 'others'"):
        ExplanationClient.from_run_id(tracking_server.uri, "others", run.run_id)
    with pytest.raises(InvalidArgumentError, match="run_id"):
        ExplanationClient.from_run_id(tracking_server.uri, "tests")


@pytest.mark.parametrize("run_id", ["0" * 32, "no such run", "../../etc"])
def test_an_unknown_run_is_named(tracking_server: TrackingServer, run_id: str) -> None:
    client = ExplanationClient.from_run_id(tracking_server.uri, run_id=run_id)
    for ask in (client.list_model_explanations, client.download_model_explanation, client.verify):
        with pytest.raises(RunNotFoundError, match=run_id):
            ask()
    with pytest.raises(RunNotFoundError, match=run_id):
        client.upload_model_explanation(random_explanation(1, 1, 1))


def test_a_deleted_run_takes_no_uploads(client: ExplanationClient, run: Run) -> None:
    MlflowClient(run.tracking_uri).delete_run(run.run_id)
    with pytest.raises(RunNotFoundError, match="deleted"):
        client.upload_model_explanation(random_explanation(1, 1, 1))


def test_no_server_is_said_within_the_timeout_and_the_upload_can_be_resumed(
    tracking_server: TrackingServer, run: Run, own_home: Path
) -> None:
    explanation = random_explanation(2, 6, 12)
    away = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=1)
    with pytest.raises(StorageTimeoutError, match="gave up after 1 s"):
        away.list_model_explanations()
    with pytest.raises(UploadError, match="is not listed") as caught:
        away.upload_model_explanation(explanation, comment="later", true_ys=np.arange(6))
    spool = Path(str(caught.value.spool))
    assert spool.is_relative_to(own_home)
    # The server is back at another address here: the note says where the upload was to go.
    note = spool / "upload.json"
    note.write_text(note.read_text().replace(away.tracking_uri, tracking_server.uri))
    info = ExplanationClient.resume(spool)
    assert not spool.exists()
    downloaded = ExplanationClient.from_run_id(tracking_server.uri, run_id=run.run_id).download_model_explanation()
    assert downloaded.info.id == info.id
    assert downloaded.info.comment == "later"
    assert replace(downloaded, data=None) == explanation
    assert downloaded.data is not None
    assert downloaded.data.true is not None
    assert downloaded.data.true.tolist() == list(range(6))


def test_a_failed_upload_need_not_stop_a_training_run(run: Run) -> None:
    away = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=0.5)
    with pytest.warns(UserWarning, match=r"not uploaded.*explanation-client resume"):
        assert away.upload_model_explanation(random_explanation(1, 1, 1), on_error="warn") is None
    with pytest.warns(UserWarning, match="top_k=9"):
        assert away.upload_model_explanation(random_explanation(1, 1, 1), top_k=9, on_error="warn") is None


def test_deleting_removes_tag_and_files(client: ExplanationClient, run: Run) -> None:
    kept, gone = random_explanation(1, 2, 3), random_explanation(1, 2, 3)
    for explanation in (kept, gone):
        client.upload_model_explanation(explanation)
    client.delete_model_explanation(gone.id)
    assert [info.id for info in client.list_model_explanations()] == [kept.id]
    assert RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri).list(folder_of(gone.id)) == ()
    assert [report.id for report in client.verify()] == [kept.id]


def test_a_lost_tag_is_repaired(client: ExplanationClient, run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation, comment="lost")
    MlflowClient(run.tracking_uri).delete_tag(run.run_id, f"{TAG_PREFIX}{explanation.id}")
    assert client.list_model_explanations() == []
    assert client.download_model_explanation() == explanation
    assert client.download_model_explanation(comment="lost") == explanation
    assert "tag is lost" in client.verify()[0].problems[0]
    assert client.verify(repair=True)[0].ok
    assert [info.comment for info in client.list_model_explanations()] == ["lost"]


def test_tags_of_others_that_begin_alike_are_left_alone(client: ExplanationClient, run: Run) -> None:
    mlflow_client = MlflowClient(run.tracking_uri)
    for key in ("note", "Note", "../up"):
        mlflow_client.set_tag(run.run_id, f"{TAG_PREFIX}{key}", "not ours")
    client.upload_model_explanation(random_explanation(1, 2, 3))
    assert len(client.list_model_explanations()) == 1
    assert [report.ok for report in client.verify(repair=True)] == [True]
    assert client.gc() == ()
    assert mlflow_client.get_run(run.run_id).data.tags[f"{TAG_PREFIX}note"] == "not ours"


def test_a_forged_tag_is_found_and_repaired(client: ExplanationClient, run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation, comment="true")
    key = f"{TAG_PREFIX}{explanation.id}"
    mlflow_client = MlflowClient(run.tracking_uri)
    tag = mlflow_client.get_run(run.run_id).data.tags[key]
    mlflow_client.set_tag(run.run_id, key, tag.replace('"true"', '"false"'))
    assert "tag is wrong" in client.verify()[0].problems[0]
    assert client.verify(repair=True)[0].ok
    assert [info.comment for info in client.list_model_explanations()] == ["true"]


def test_a_tag_may_name_any_copy_of_the_manifest(client: ExplanationClient, run: Run) -> None:
    """A manifest whose answer was lost was stored all the same, and is stored again under another name."""
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation)
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    folder = folder_of(explanation.id)
    (manifest,) = [stat.path for stat in store.list(folder) if stat.name.startswith("manifest-")]
    for nonce in ("0" * 16, "f" * 16):  # one sorts before, one after
        store.write(f"{manifest.rpartition('-')[0]}-{nonce}.json", store.read(manifest))
    (report,) = client.verify()
    assert report.ok, report.problems
    assert client.gc() == ()


def test_an_explanation_of_a_newer_version_is_no_garbage(client: ExplanationClient, run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation)
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    folder = folder_of(explanation.id)
    old = next(stat for stat in store.list(folder) if stat.name.startswith("manifest"))
    newer = store.read(old.path).replace(b'"version":1', b'"version":9')
    assert newer != store.read(old.path)
    store.write(f"{folder}/manifest-{hashlib.sha256(newer).hexdigest()}-0000000000000000.json", newer)
    store.delete(old.path)
    MlflowClient(run.tracking_uri).delete_tag(run.run_id, f"{TAG_PREFIX}{explanation.id}")
    with pytest.raises(FormatVersionError):
        client.download_model_explanation(explanation.id)
    assert client.gc() == ()


def test_failed_uploads_are_kept_apart(run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    spools = set()
    for comment in ("a", "b"):
        away = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=0.2)
        with pytest.raises(UploadError) as caught:
            away.upload_model_explanation(explanation, comment=comment)
        spools.add((caught.value.spool, comment))
    assert len({spool for spool, _ in spools}) == 2
    assert all(Path(str(spool)).stat().st_mode & 0o077 == 0 for spool, _ in spools)
    for spool, comment in spools:
        assert read_spool(str(spool)).info.comment == comment


def test_a_spool_that_cannot_be_written_is_said_beside_the_failure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "file"))
    away = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=0.2)
    with pytest.warns(UserWarning, match=r"refused.*could not be kept on this machine"):
        assert away.upload_model_explanation(random_explanation(1, 2, 3), on_error="warn") is None


def test_a_password_in_the_address_is_never_shown(run: Run, own_home: Path) -> None:
    uri = f"http://user:s3cret@127.0.0.1:{free_port()}"
    away = ExplanationClient.from_run_id(uri, run_id=run.run_id, timeout=0.2)
    assert "s3cret" not in repr(away)
    with pytest.raises(UploadError) as caught:
        away.upload_model_explanation(random_explanation(1, 2, 3))
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in str(error)
        error = error.__cause__
    assert all(b"s3cret" not in path.read_bytes() for path in own_home.rglob("*") if path.is_file())


def test_limits_are_kept(run: Run, client: ExplanationClient) -> None:
    client.upload_model_explanation(random_explanation(1, 2, 3))
    strict = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, limits=Limits(max_files=1))
    with pytest.raises(LimitExceededError, match="max_files"):
        strict.download_model_explanation()


def test_labels_of_a_model_may_be_numbers(client: ExplanationClient) -> None:
    explanation = random_explanation(2, 3, 4)
    outputs: Any = np.array([0, 1])
    info = replace(explanation.info, outputs=outputs, n_rows=np.int64(3), comment=None)
    client.upload_model_explanation(replace(explanation, info=info))
    assert client.download_model_explanation().classes == ("0", "1")


def test_top_features_are_those_of_what_is_stored(client: ExplanationClient) -> None:
    client.upload_model_explanation(random_explanation(3, 20, 12))
    part = client.download_model_explanation().output("class 1")
    stored = client.upload_model_explanation(part)
    assert stored.top_features == tuple(part.get_ranked_global_names(5))
    assert client.upload_model_explanation(part, top_k=2).top_features == tuple(part.get_ranked_global_names(2))
    assert client.upload_model_explanation(part[:2]).top_features == ()


def test_a_damaged_tag_is_no_obstacle(client: ExplanationClient, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation)
    MlflowClient(run.tracking_uri).set_tag(run.run_id, f"{TAG_PREFIX}{explanation.id}", '{"v": 1')
    with caplog.at_level(logging.WARNING):
        assert client.list_model_explanations() == []
    assert "damaged" in caplog.text
    assert client.download_model_explanation() == explanation
    assert client.verify(repair=True)[0].ok
    assert len(client.list_model_explanations()) == 1


def test_a_listed_explanation_without_files_is_reported(client: ExplanationClient, run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation)
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    for stat in store.list(folder_of(explanation.id)):
        store.delete(stat.path)
    with pytest.raises(ExplanationNotFoundError, match="files are gone"):
        client.download_model_explanation()
    (report,) = client.verify(repair=True)
    assert report.listed
    assert not report.ok
    client.delete_model_explanation(explanation.id)
    assert client.list_model_explanations() == []


def test_damage_in_the_store_is_found(client: ExplanationClient, run: Run, tracking_server: TrackingServer) -> None:
    explanation = random_explanation(2, 30, 12)
    client.upload_model_explanation(explanation)
    files = list(tracking_server.artifacts_folder.rglob(f"{explanation.id}/local-*.parquet"))
    assert files
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)
    assert client.verify()[0].problems
    with pytest.raises(ExplanationError, match="SHA-256"):
        _ = client.download_model_explanation().local_importance_values


def test_garbage_is_listed_and_deleted_on_request(client: ExplanationClient, run: Run) -> None:
    explanation = random_explanation(1, 2, 3)
    client.upload_model_explanation(explanation)
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    stray = "explanations/019000000000/local-0-0123456789abcdef-0000000000000000.parquet"
    store.write(stray, b"half")
    assert [item.path for item in client.gc()] == [stray]
    assert store.read(stray) == b"half"
    client.gc(dry_run=False)
    assert client.gc() == ()
    assert client.download_model_explanation() == explanation
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        client.gc(older_than_hours=0)


def test_evaluation_data_stays_here_unless_asked_for(
    client: ExplanationClient, tracking_server: TrackingServer
) -> None:
    from explanation_client import EvaluationData

    explanation = random_explanation(1, 3, 2)
    columns = {"a": ["canary-one", "x", "y"], "b": [771_771_771.5, 0.0, 1.0]}
    frame = pd.DataFrame(columns, index=["canary-row", "r", "s"])
    data = replace(EvaluationData.from_rows(frame), predicted=np.array([551_551.25, 0, 1]), true=np.array([0, 0, 1]))
    held = replace(explanation, features=("a", "b"), data=data)
    plain = client.upload_model_explanation(held, comment="defaults")
    assert plain is not None
    stored = b"".join(p.read_bytes() for p in tracking_server.artifacts_folder.rglob(f"{plain.id}/*"))
    for canary in (b"canary", np.float64(771_771_771.5).tobytes(), np.float64(551_551.25).tobytes()):
        assert canary not in stored
    assert client.download_model_explanation().data is None
    client.upload_model_explanation(held, evaluation_data=True)
    downloaded = client.download_model_explanation().data
    assert downloaded is not None
    assert downloaded.same_as(data)
    client.upload_model_explanation(held, true_ys=[1, 0, 1])
    downloaded = client.download_model_explanation().data
    assert downloaded is not None
    assert downloaded.columns is None
    assert downloaded.true is not None
    assert downloaded.true.tolist() == [1, 0, 1]
    client.upload_model_explanation(explanation, evaluation_data=np.arange(6.0).reshape(3, 2))
    eval_data = client.download_model_explanation().eval_data
    assert eval_data is not None
    assert eval_data.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_explanation_of_a_logged_model_is_tagged_there(client: ExplanationClient, run: Run) -> None:
    mlflow_client = MlflowClient(run.tracking_uri)
    model = mlflow_client.create_logged_model(run.experiment_id, source_run_id=run.run_id)
    info = client.upload_model_explanation(random_explanation(1, 2, 3), model_id=model.model_id)
    assert info is not None
    assert info.model_id == model.model_id
    assert mlflow_client.get_logged_model(model.model_id).tags[f"{TAG_PREFIX}{info.id}"] == run.run_id
    client.delete_model_explanation(info.id)
    assert f"{TAG_PREFIX}{info.id}" not in mlflow_client.get_logged_model(model.model_id).tags


def test_parts_that_were_not_stored_are_said_to_be_missing(client: ExplanationClient) -> None:
    client.upload_model_explanation(EXPLANATIONS["global only"])
    with pytest.raises(PartMissingError, match="include_local"):
        _ = client.download_model_explanation().local_importance_values


def test_rows_are_read_shard_by_shard_and_cached(client: ExplanationClient, own_home: Path) -> None:
    explanation = random_explanation(1, 400, 30)
    client.upload_model_explanation(explanation)
    assert not (own_home / "files").exists()
    downloaded = client.download_model_explanation()
    assert downloaded[100:110] == explanation[100:110]
    cached = {path.name for path in (own_home / "files").rglob("*") if path.is_file()}
    assert cached
    assert client.download_model_explanation() == explanation


def test_downloads_work_from_a_database_without_a_server(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow_client = MlflowClient(uri)
        experiment = mlflow_client.create_experiment("local", artifact_location=str(tmp_path / "artifacts"))
        run = mlflow_client.create_run(experiment)
    client = ExplanationClient.from_run_id(mlflow_client, "local", run.info.run_id)
    explanation = random_explanation(3, 20, 12)
    client.upload_model_explanation(explanation, comment="no server")
    assert client.download_model_explanation(comment="no server") == explanation
    assert client.verify()[0].ok
    client.delete_model_explanation(explanation.id)
    assert client.list_model_explanations() == []
    unknown = ExplanationClient.from_run_id(uri, run_id="0" * 32)
    with pytest.raises(RunNotFoundError, match="0000"):
        unknown.list_model_explanations()


def test_eight_writers_and_a_reader_on_one_run(run: Run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    explanations = [random_explanation(1, 50, 5, seed=seed) for seed in range(8)]

    def write(explanation: Explanation) -> None:
        client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=120)
        client.upload_model_explanation(explanation, comment=explanation.id)

    def read_all() -> int:
        client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=120)
        seen = 0
        while seen < len(explanations):
            listed = client.list_model_explanations()
            for info in listed[seen:]:
                original = next(e for e in explanations if e.id == info.comment)
                assert client.download_model_explanation(info.id) == original
            seen = len(listed)
        return seen

    with ThreadPoolExecutor(9) as pool:
        reader = pool.submit(read_all)
        list(pool.map(write, explanations))
        assert reader.result(timeout=120) == 8


def test_a_forked_process_can_upload(run: Run) -> None:
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)
    client.upload_model_explanation(random_explanation(1, 2, 3), comment="parent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, which is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            client.upload_model_explanation(random_explanation(1, 2, 3), comment="child")
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [info.comment for info in client.list_model_explanations()] == ["parent", "child"]
