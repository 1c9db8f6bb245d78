"""How explanations print, and what they are as tables."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from explanation_client.dataset import EvaluationData
from explanation_client.display import shown
from tests.strategies import explanation_of, random_explanation

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "\u202egnirts\u2066",
    "a\nb\x00\x1b[31m",
    "x" * 10_000,
)


class Collector(HTMLParser):
    """Notes which elements and attributes a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_repr_says_what_was_explained() -> None:
    text = repr(random_explanation(2, 1234, 30))
    assert "shap_tree" in text
    assert "1,234 rows x 30 features, 2 classes" in text
    assert text.count("\n") == 1


def test_html_of_hostile_names_is_text() -> None:
    explanation = explanation_of(np.arange(1.0, 7.0).reshape(1, 1, 6), features=HOSTILE)
    explanation = replace(explanation, info=replace(explanation.info, comment=HOSTILE[1], method=HOSTILE[0]))
    page = explanation._repr_html_()
    collector = Collector()
    collector.feed(page)
    assert collector.tags == {"div", "span"}
    assert collector.attributes == {"style"}
    assert not re.search(r"[\x00\x1b\u202e\u2066]", page)
    assert len(page) < 10_000


def test_control_and_direction_marks_are_shown_as_escapes() -> None:
    assert shown("a\u202eb\n") == "a\\u202eb\\u000a"
    assert shown("x" * 100, length=10) == "x" * 9 + "…"


def test_the_global_table_is_ranked() -> None:
    explanation = explanation_of(np.array([[[1.0, -3.0, 2.0]]]), features=("a", "b", "c"))
    table = explanation.to_arrow()
    assert table.column_names == ["feature", "importance"]
    assert table["feature"].to_pylist() == ["b", "c", "a"]


def test_the_local_table_has_a_column_for_each_feature() -> None:
    explanation = random_explanation(2, 3, 4)
    frame = explanation.to_frame("local")
    assert frame.shape == (6, 4)
    assert frame.index.names == ["output", "row"]
    assert np.array_equal(frame.loc["class 1"].to_numpy(), explanation.local_importance_values[1])
    one = explanation.to_frame("local", output="class 1")
    assert one.index.names == ["row"]
    assert np.array_equal(one.to_numpy(), explanation.local_importance_values[1])


def test_features_called_as_the_labels_keep_their_names() -> None:
    explanation = explanation_of(np.arange(8.0).reshape(2, 2, 2), features=("row", "output"))
    frame = explanation.to_frame("local")
    assert list(frame.columns) == ["row", "output"]
    assert frame.index.names == ["output_", "row_"]


def test_a_cut_local_table_has_a_line_for_each_kept_value() -> None:
    frame = random_explanation(2, 3, 4).cut(2).to_frame("local")
    assert list(frame.columns) == ["output", "row", "rank", "feature", "importance"]
    assert len(frame) == 2 * 3 * 2
    assert frame["rank"].tolist() == [1, 2] * 6


def test_row_names_label_the_rows() -> None:
    explanation = random_explanation(1, 2, 3)
    named = replace(explanation, data=EvaluationData(row_names=np.array(["ann", "bob"], dtype=object)))
    assert named.to_frame("local").index.tolist() == ["ann", "bob"]


def test_the_per_class_table_ranks_each_class() -> None:
    explanation = random_explanation(3, 5, 4)
    frame = explanation.to_frame("per_class")
    assert len(frame) == 12
    first = frame[frame["output"] == "class 0"]["feature"].tolist()
    assert first == explanation.get_ranked_per_class_names()[0].tolist()
    one = explanation.to_frame("per_class", output=0)
    assert one["feature"].tolist() == first


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="per_class"):
        random_explanation(1, 1, 1).to_frame("summary")  # type: ignore[arg-type]
