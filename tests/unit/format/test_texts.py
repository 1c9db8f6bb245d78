"""Stored documents: divided, read when needed, kept out where they are not asked for, refused where they are forged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanation_client.documents import Documents
from explanation_client.errors import (
    CorruptFileError,
    InvalidArgumentError,
    InvalidExplanationError,
    InvalidManifestError,
    LimitExceededError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import Limits, parse_manifest
from explanation_client.format.v1 import texts as text_files
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo, new_id, now
from explanation_client.upload import prepare
from tests.golden.bundle import Bundle, forged, store
from tests.golden.explanations import GOLDEN


def golden() -> Explanation:
    return GOLDEN["documents"]()


def many(n_rows: int, *, length: int = 4) -> Explanation:
    """Return the explanation of many documents of words of one letter, every fifth of which is empty."""
    counts = np.array([0 if row % 5 == 4 else length for row in range(n_rows)])
    n_tokens = int(counts.sum())
    places = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    values = np.random.default_rng(0).standard_normal((1, n_tokens))
    documents = Documents(
        texts=np.array(["abcdefgh"[:count] for count in counts], object),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        starts=places,
        ends=places + np.int32(1),
        words=places,
        values=values,
    )
    info = ExplanationInfo(
        id=new_id(), created_at=now(), method="text_linear", task="regression", outputs=("prediction",),
        n_features=8, n_rows=n_rows,
    )  # fmt: skip
    return Explanation(
        info=info,
        features=tuple("abcdefgh"),
        global_importances=Importances(np.ones(8)),
        local_importances=documents.local_importances(8),
        documents=documents,
    )


@pytest.mark.parametrize(("shard_bytes", "n_files"), [(1, 19), (300, 10), (2000, 2), (1 << 20, 1)])
def test_documents_are_read_as_they_were_written_however_they_are_divided(shard_bytes: int, n_files: int) -> None:
    for wanted in (golden(), many(23)):
        bundle = store(wanted, shard_bytes=shard_bytes, include_data=True)
        read = bundle.open()
        assert read == wanted
        assert "documents" in read.info.parts
    assert len(bundle.manifest.of_role("documents")) == n_files


def test_more_documents_than_a_manifest_has_room_for_are_stored_together() -> None:
    wanted = many(2000)
    bundle = store(wanted, shard_bytes=1, include_data=True)
    assert len(bundle.manifest.of_role("documents")) <= 100
    assert bundle.open() == wanted


def test_documents_are_stored_only_with_the_evaluation_data() -> None:
    for include in (False, ["predicted"]):
        bundle = store(golden(), include_data=include, include_view=True)
        assert bundle.open().documents is None
        assert "documents" not in bundle.manifest.info.parts
        assert b"na\xc3\xafve." not in b"".join(bundle.files.values())
        assert not [entry.role for entry in bundle.manifest.files if "documents" in entry.role or "token" in entry.role]


def test_a_reader_fetches_documents_when_they_are_used() -> None:
    bundle = store(golden(), include_data=True)
    read = bundle.open()
    assert len(read.documents) == 3  # type: ignore[arg-type]
    assert not {"documents", "tokens", "sentences"} & set(bundle.fetched_roles())
    assert read.documents[0].tokens[1] == "😀"  # type: ignore[index]
    assert {"documents", "tokens", "sentences"} <= set(bundle.fetched_roles())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_cut_at_upload_and_a_cut_at_download_leave_the_same_documents(k: int) -> None:
    whole = golden()
    cut = whole.cut(k)
    assert store(whole, include_data=True).open(top_k=k) == cut
    stored = store(cut, include_data=True)
    assert stored.open() == cut
    assert stored.open(top_k=1) == whole.cut(1)


def columns(bundle: Bundle, role: str) -> dict[str, list[Any]]:
    (entry,) = bundle.manifest.of_role(role)
    table = pq.read_table(pa.BufferReader(bundle.files[entry.name]))
    return {name: table.column(name).to_pylist() for name in table.column_names}


def test_a_page_gets_plain_columns_of_some_documents() -> None:
    bundle = store(golden(), include_data=True, include_view=True)
    texts, tokens = columns(bundle, "view-documents"), columns(bundle, "view-tokens")
    assert list(texts) == ["row", "text", "tokens", "sentences"]
    assert list(tokens) == ["start", "end", "word", "value_0", "value_1", "weight"]
    assert list(columns(bundle, "view-sentences")) == ["start", "end", "weight"]
    assert texts["row"] == [0, 1, 2]
    # What a reader in any language does with it.
    at = 0
    shown = []
    for text, count in zip(texts["text"], texts["tokens"], strict=True):
        points = list(text)
        places = zip(tokens["start"][at : at + count], tokens["end"][at : at + count], strict=True)
        shown.append(["".join(points[start:end]) for start, end in places])
        at += count
    assert shown == [["naïve", "😀", "naïve", "\U0001d4b3"], [], ["</script>"]]
    for role in ("view-documents", "view-tokens", "view-sentences"):
        (entry,) = bundle.manifest.of_role(role)
        metadata = pq.read_metadata(pa.BufferReader(bundle.files[entry.name]))
        for i in range(metadata.num_columns):
            chunk = metadata.row_group(0).column(i)
            assert chunk.compression in ("SNAPPY", "UNCOMPRESSED")
            assert set(chunk.encodings) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}


def test_a_page_gets_few_documents_and_fewer_of_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = store(many(1000), include_data=True, include_view=True)
    rows = columns(bundle, "view-documents")["row"]
    assert len(rows) == 300
    assert rows[0] == 0
    assert rows[-1] > 990
    assert np.all(np.diff(rows) > 0)
    monkeypatch.setattr(text_files, "VIEW_CHARACTERS", 100)
    fewer = store(many(1000), include_data=True, include_view=True)
    assert sum(map(len, columns(fewer, "view-documents")["text"])) <= 150


def parquet(**made: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(made), sink, store_schema=False)
    return bytes(sink.getvalue().to_pybytes())


def int32(*values: int | None) -> pa.Array:
    return pa.array(values, pa.int32())


def text_table(**changes: Any) -> bytes:
    made = {"text": ["naïve 😀 naïve. \U0001d4b3!", "", "</script>"], "tokens": int32(4, 0, 1)}
    return parquet(**{**made, "sentences": int32(2, 0, 1), **changes})


def token_table(**changes: Any) -> bytes:
    made: dict[str, Any] = {"start": int32(0, 6, 8, 15, 0), "end": int32(5, 7, 13, 16, 9), "word": int32(0, 1, 0, 2, 3)}
    made |= {"value_0": [1.0] * 5, "value_1": [1.0] * 5, "weight": [0.5] * 5}
    return parquet(**{**made, **changes})


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "no Parquet": ("documents", lambda: b"x" * 50, "no Parquet"),
    "a missing text": ("documents", lambda: text_table(text=["a", None, "b"]), "one string for each"),
    "counts of other tokens": ("documents", lambda: text_table(tokens=int32(4, 1, 1)), "from 0 to 5"),
    "a negative count": ("documents", lambda: text_table(tokens=int32(6, -1, 0)), "from 0 to 5"),
    "a missing count": ("documents", lambda: text_table(tokens=int32(4, None, 1)), "missing values"),
    "shorter texts": ("documents", lambda: text_table(text=["", "", ""]), "within its 0 characters"),
    "a place outside": ("tokens", lambda: token_table(end=int32(5, 7, 13, 99, 9)), "15 to 99"),
    "a negative place": ("tokens", lambda: token_table(start=int32(-1, 6, 8, 15, 0)), "-1 to 5"),
    "a feature outside": ("tokens", lambda: token_table(word=int32(0, 1, 0, 2, 4)), "outside 0 to 3"),
    "a negative feature": ("tokens", lambda: token_table(word=int32(0, 1, 0, 2, -1)), "feature -1"),
    "NaN": ("tokens", lambda: token_table(value_1=[np.nan] * 5), "NaN"),
    "an infinite weight": ("tokens", lambda: token_table(weight=[np.inf] * 5), "infinity"),
    "another type": ("tokens", lambda: token_table(value_0=pa.array([1.0] * 5, pa.float32())), "of type float"),
    "a column too many": ("tokens", lambda: token_table(more=[1.0] * 5), "has 7 columns"),
    "too few tokens": ("tokens", lambda: parquet(start=int32(0)), "has 1 rows|has 1 columns"),
    "sentences out of order": (
        "sentences",
        lambda: parquet(start=int32(15, 0, 0), end=int32(17, 14, 9), weight=[1.0] * 3),
        "sentences of document 0",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_forged_documents_are_refused_and_the_rest_is_read(case: str) -> None:
    role, make, problem = HOSTILE[case]
    read = forged(store(golden(), include_data=True), role, lambda _: make()).open()
    assert read.global_importance_values.shape == (4,)
    with pytest.raises(CorruptFileError, match=problem):
        read.documents.load()  # type: ignore[union-attr]


def test_the_forged_tables_above_are_accepted_unless_they_are_changed() -> None:
    bundle = store(golden(), include_data=True)
    read = forged(forged(bundle, "tokens", lambda _: token_table()), "documents", lambda _: text_table()).open()
    assert read.documents[0].values.tolist() == [[1.0] * 4] * 2  # type: ignore[index]


def _changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    bundle = store(golden(), include_data=True)
    document = json.loads(bundle.files[bundle.name])
    change(document)
    return json.dumps(document).encode()


def _entry(document: dict[str, Any], role: str) -> dict[str, Any]:
    return next(entry for entry in document["files"] if entry["role"] == role)


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another number of tokens": (lambda d: d["documents"].update(tokens=6), "expected 6 in all"),
    "a negative number": (lambda d: d["documents"].update(tokens=-1), "documents.tokens"),
    "no dtype": (lambda d: d["documents"].pop("dtype"), "documents.dtype: is missing"),
    "another dtype": (lambda d: d["documents"].update(dtype="float32"), "the part has float32"),
    "no texts": (lambda d: d["files"].remove(_entry(d, "documents")), "do not cover documents 0 to 3"),
    "some of the texts": (lambda d: _entry(d, "documents").update(rows=[0, 2]), "do not cover documents 0 to 3"),
    "tokens of other documents": (lambda d: _entry(d, "tokens").update(rows=[0, 2]), "of other documents"),
    "tokens of other outputs": (lambda d: _entry(d, "tokens").update(shape=[1, 5]), "expected 5 in all"),
    "tokens twice": (lambda d: d["files"].append({**_entry(d, "tokens"), "name": "again"}), "of other documents"),
    "a shape of nothing": (lambda d: _entry(d, "sentences").update(shape=[]), "expected 3 in all"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_contradicts_itself_about_documents_is_refused(case: str) -> None:
    change, problem = MANIFESTS[case]
    with pytest.raises(InvalidManifestError, match=problem):
        parse_manifest(_changed(change))


def test_a_reader_that_does_not_know_documents_reads_the_rest() -> None:
    def forget(document: dict[str, Any]) -> None:
        del document["documents"]

    manifest = parse_manifest(_changed(forget))
    assert manifest.documents is None


def test_documents_larger_than_the_reader_accepts_are_refused() -> None:
    read = store(many(50), include_data=True).open(limits=Limits(max_bytes=3000))
    with pytest.raises(LimitExceededError, match="bytes of the documents"):
        read.documents.load()  # type: ignore[union-attr]


def request(explanation: Explanation, evaluation_data: Any) -> Explanation:
    made = prepare(
        explanation, top_k=None, comment=None, true_ys=None, model_id=None, evaluation_data=evaluation_data,
        include_view=False, log_metrics=False, describe_run=False,
    )  # fmt: skip
    return made.explanation


def test_texts_leave_this_machine_only_where_the_caller_says_so() -> None:
    whole = golden()
    assert request(whole, False).documents is None
    assert request(whole, None).documents is None
    assert request(whole, True).documents is not None
    # The documents themselves say the same as True.
    texts = whole.documents.texts  # type: ignore[union-attr]
    for given in (texts.tolist(), texts):
        assert request(whole, given).documents is not None
    # A table of something else is stored, and the texts are not.
    beside = request(whole, np.ones((3, 2)))
    assert beside.documents is None
    assert beside.data is not None
    with pytest.raises(InvalidArgumentError, match="other documents"):
        request(whole, ["a", "b", "c"])
    with pytest.raises(InvalidExplanationError, match="NaN"):
        request(replace(whole, documents=_with_nan(whole)), True)


def _with_nan(explanation: Explanation) -> Documents:
    assert explanation.documents is not None
    documents = explanation.documents.load()
    return replace(documents, values=np.full_like(documents.values, np.nan))
