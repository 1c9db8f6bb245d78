"""The page: one file, in which nothing of others is text, and which fits."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from explanation_client.dashboard.bundle import Bundle, checked, read_bundle
from explanation_client.dashboard.data import ShownData
from explanation_client.dashboard.files import Shown, encode, labels_of
from explanation_client.dashboard.page import PageOptions, fitting_page, render
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError, LimitExceededError
from explanation_client.explanation import Explanation
from explanation_client.format import ViewSize, parse_manifest
from explanation_client.format.manifest import Manifest
from tests.strategies import explanation_of, random_explanation
from tests.unit.test_documents import explanation as text_explanation

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "${alert(1)}`",
    "\u202egnirts",
    "<!--",
    "x" * 10_000,
)


class Elements(HTMLParser):
    """What a parser of HTML sees of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self._inside: int | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append((tag, dict(attrs)))
        self._inside = len(self.open) - 1

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, self.texts.get(i, "")) for i, (name, attrs) in enumerate(self.open) if name == tag]


def block(page: Elements, name: str) -> bytes:
    (text,) = [text for attrs, text in page.all("script") if attrs.get("id") == name]
    return zlib.decompress(base64.b64decode(text))


def opened(page: bytes, source: int = 0) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the files of a source of a page, as its script reads them."""
    elements = Elements(page.decode())
    config = json.loads(block(elements, "explanation"))["sources"][source]
    manifest = json.loads(block(elements, config["manifest"]))
    files = {name: block(elements, place) for name, place in config["files"]}
    listed = {entry["name"]: entry for entry in manifest["files"]}
    assert listed.keys() == files.keys()
    for name, data in files.items():
        assert hashlib.sha256(data).hexdigest() == listed[name]["sha256"]
    return manifest, files


def shown(explanation: Explanation, **size: Any) -> Shown:
    return encode(explanation, ShownData(held=explanation.data), size=ViewSize(**size))


def hostile() -> Explanation:
    values = np.arange(2 * 3 * len(HOSTILE), dtype="f8").reshape(2, 3, len(HOSTILE))
    explanation = explanation_of(values, features=HOSTILE, outputs=HOSTILE[:2])
    rows = EvaluationData(
        names=HOSTILE,
        columns=tuple(np.array([text] * 3, object) for text in HOSTILE),
        row_names=np.array(HOSTILE[:3], object),
    )
    return replace(explanation, data=rows, info=replace(explanation.info, comment=HOSTILE[0], method=HOSTILE[1]))


def test_no_text_of_others_stands_in_the_page(front_end: Bundle) -> None:
    page = render([shown(hostile())], PageOptions(title=HOSTILE[0], language=HOSTILE[2]), bundle=front_end)
    elements = Elements(page.decode())
    assert [tag for tag, _ in elements.open if tag not in ("script", "meta")] == [
        *("html", "head", "title", "style", "body", "div", "noscript"),
    ]
    assert elements.all("title")[0][1] == "Explanation"
    scripts = elements.all("script")
    assert [attrs for attrs, _ in scripts if attrs["type"] == "module"] == [{"type": "module"}]
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", text) for attrs, text in scripts if attrs["type"] != "module")
    manifest, _ = opened(page)
    assert manifest["info"]["comment"] == HOSTILE[0]


def test_the_policy_allows_the_one_script_and_style_and_nothing_else(front_end: Bundle) -> None:
    elements = Elements(render([shown(random_explanation(1, 3, 2))], PageOptions(), bundle=front_end).decode())
    (policy,) = [attrs["content"] for attrs, _ in elements.all("meta") if "http-equiv" in attrs]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    (script,) = [text for attrs, text in elements.all("script") if attrs["type"] == "module"]
    ((_, style),) = elements.all("style")
    for rule, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["trusted-types"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["img-src"] == "data: blob:"


def test_the_front_end_is_called_by_the_name_that_it_exports() -> None:
    script = Bundle(script="const x=1;export{x as other, y as mount};\n", style="").inline(
        "start(explanationDashboardMount)"
    )
    assert script.startswith("const x=1;\n")
    assert "explanationDashboardMount = y;" in script
    assert "export" not in script
    with pytest.raises(ValueError, match="export"):
        Bundle(script="const x=1;", style="").inline("")


@pytest.mark.parametrize("text", ["a</script>b", "<SCRIPT>", "<!-- x", "</style >"])
def test_what_would_end_an_element_is_never_inline(text: str) -> None:
    with pytest.raises(ValueError, match="contains"):
        checked(text)


def test_the_installed_front_end_can_stand_in_a_page() -> None:
    bundle = read_bundle()
    assert "explanationDashboardMount" in bundle.inline("")
    assert checked(bundle.style) == bundle.style
    assert len(bundle.digest()) == 16


def test_a_page_has_all_that_belongs_to_all_rows_and_a_sample() -> None:
    explanation = random_explanation(3, 400, 5, interactions=True)
    manifest, files = opened(render([shown(explanation, rows=50)], PageOptions()))
    roles = {entry["role"]: entry for entry in manifest["files"]}
    assert set(roles) == {"features", "per-class", "interactions", "view", "aggregates"}
    assert manifest["info"]["n_rows"] == 400
    assert roles["view"]["sample"] == "stratified"
    assert roles["view"]["shape"] == [3, 50, 5]
    with pytest.raises(Exception, match="local"):
        parse_manifest(json.dumps(manifest).encode())
    assert len(files) == 5


def sizes_tried(explanation: Explanation, max_megabytes: float) -> tuple[list[ViewSize], bytes]:
    tried: list[ViewSize] = []

    def make(size: ViewSize) -> Sequence[Shown]:
        tried.append(size)
        return [encode(explanation, ShownData(held=explanation.data), size=size)]

    return tried, fitting_page(make, PageOptions(), max_megabytes)


def test_a_page_that_can_never_fit_says_so() -> None:
    explanation = random_explanation(1, 2, 3)
    with pytest.raises(LimitExceededError, match="cut the explanation"):
        sizes_tried(explanation, 0.05)
    for wrong in (0, -1, float("nan"), True):
        with pytest.raises(InvalidArgumentError, match="max_megabytes"):
            sizes_tried(explanation, wrong)
    with pytest.raises(InvalidArgumentError, match="theme"):
        explanation.to_html(theme="blue")  # type: ignore[arg-type]


def test_columns_of_features_that_are_folded_are_left_out() -> None:
    explanation = random_explanation(1, 4, 30)
    rows = EvaluationData(names=explanation.features, columns=tuple(np.ones(4) for _ in range(30)))
    manifest = parse_columns(shown(replace(explanation, data=rows), columns=10))
    assert manifest["data"]["columns"] == [["float64", 10]]


def parse_columns(one: Shown) -> Any:
    return json.loads(one.manifest)


def test_save_html_writes_what_to_html_returns(tmp_path: Any) -> None:
    explanation = random_explanation(2, 5, 3)
    path = explanation.save_html(
        tmp_path / "page.html", title="Mine", comparison={"other": random_explanation(1, 3, 2)}
    )
    elements = Elements(path.read_text(encoding="utf-8"))
    config = json.loads(block(elements, "explanation"))
    assert config["title"] == "Mine"
    assert [source["label"] for source in config["sources"]] == ["", "other"]
    manifest, _ = opened(path.read_bytes(), 1)
    assert manifest["info"]["n_features"] == 2


def test_rows_are_in_a_page_unless_they_are_left_out() -> None:
    rows = EvaluationData(names=("a",), columns=(np.ones(4),), predicted=np.arange(4.0))
    explanation = replace(random_explanation(1, 4, 2), data=rows)
    with_rows, _ = opened(explanation.to_html().encode())
    without, _ = opened(explanation.to_html(include_data=False).encode())
    assert with_rows["data"] == {"columns": [["float64", 1]], "predicted": "float64"}
    assert "data" not in without


def test_documents_are_in_a_page_unless_they_are_left_out() -> None:
    explanation = text_explanation()
    with_texts, files = opened(explanation.to_html().encode())
    roles = {entry["role"]: entry["name"] for entry in with_texts["files"]}
    assert {"view-documents", "view-tokens"} <= set(roles)
    assert with_texts["documents"]
    assert len(pq.read_table(io.BytesIO(files[roles["view-documents"]]))) == explanation.num_examples
    without, _ = opened(explanation.to_html(include_data=False).encode())
    assert "documents" not in without
    assert not {entry["role"] for entry in without["files"]} & set(roles) - {
        "features",
        "view",
        "per-class",
        "aggregates",
    }


def test_explanations_beside_each_other_are_told_apart() -> None:
    one, two = random_explanation(1, 2, 2), random_explanation(1, 2, 2)
    assert len(set(labels_of([one, two]))) == 2
    named = [replace(e, info=replace(e.info, comment=text)) for e, text in ((one, "before"), (two, "after"))]
    assert labels_of(named) == ["before", "after"]
    assert labels_of({"a": one, "b": two}) == ["a", "b"]
