"""Explanations that interpret-community saved: real folders, and objects with the same members."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from explanation_client import Explanation, load_explanation, save_explanation
from explanation_client.errors import (
    FormatVersionError,
    InvalidArgumentError,
    InvalidExplanationError,
    LimitExceededError,
    StoredDataError,
)
from explanation_client.interop import from_interpret_community
from explanation_client.interop.interpret_community import load_folder

CAPTURED = Path(__file__).parent / "captured" / "interpret_community"
KINDS = sorted(folder.name for folder in CAPTURED.iterdir())
CANCER = ("mean radius", "mean texture", "mean perimeter", "mean area", "mean smoothness")


def stored(kind: str, member: str) -> Any:
    """Return what a folder has of one member, or None."""
    file = CAPTURED / kind / f"{member}.json"
    return json.loads(file.read_text(encoding="utf-8"))["data"] if file.exists() else None


def as_object(kind: str) -> SimpleNamespace:
    """Return an object that has the members of interpret-community's, with what the package itself wrote of them."""
    metadata = json.loads((CAPTURED / kind / "explanation_metadata.json").read_text(encoding="utf-8"))
    members = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (CAPTURED / kind).glob("*.json")}
    values = {
        name: document["data"]
        for name, document in members.items()
        if isinstance(document, dict) and "data" in document
    }
    if isinstance(members.get("eval_data"), dict) and members["eval_data"]["metadata"] == "DatasetWrapper":
        values["eval_data"] = SimpleNamespace(original_dataset=np.array(values["eval_data"]))
    if isinstance(members.get("eval_data"), dict) and members["eval_data"]["metadata"] == "sparse":
        data, indices, indptr, shape = values["eval_data"]
        values["eval_data"] = csr_matrix((data, indices, indptr), shape)
    return SimpleNamespace(
        **values,
        id=metadata["explanation_id"],
        method=metadata["method"],
        model_task=metadata["model_task"],
        model_type=metadata["model_class"],
        is_raw=metadata["is_raw"],
        is_engineered=metadata["is_engineered"],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_gives_what_its_folder_gives(kind: str) -> None:
    assert from_interpret_community(as_object(kind)) == load_folder(CAPTURED / kind)


@pytest.mark.parametrize("kind", [k for k in KINDS if (CAPTURED / k / "answers.json").exists()])
def test_values_add_up_to_what_the_model_answered(kind: str) -> None:
    explanation = load_folder(CAPTURED / kind)
    answers = np.array(json.loads((CAPTURED / kind / "answers.json").read_text(encoding="utf-8")))
    assert explanation.local_importances is not None
    sums = explanation.local_importances.totals + explanation.expected_values[:, None]
    np.testing.assert_allclose(sums, answers.reshape(sums.shape), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_names_are_those_of_the_files(kind: str) -> None:
    explanation = load_folder(CAPTURED / kind)
    for member in ("global_importance_values", "per_class_values", "local_importance_values"):
        if (values := stored(kind, member)) is not None:
            np.testing.assert_array_equal(getattr(explanation, member), values)
    if (features := stored(kind, "features")) is not None:
        assert list(explanation.features) == [str(name) for name in features]
    assert list(explanation.classes or ()) == (stored(kind, "classes") or list(explanation.classes or ()))
    assert any(as_object(kind).id in note for note in explanation.info.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_can_be_stored_here(kind: str, tmp_path: Path) -> None:
    explanation = load_folder(CAPTURED / kind)
    save_explanation(explanation, tmp_path / "saved")
    assert load_explanation(tmp_path / "saved") == explanation


class TestKinds:
    def test_multiclass(self) -> None:
        explanation = load_folder(CAPTURED / "multiclass")
        assert explanation.classes == ("setosa", "versicolor", "virginica")
        assert explanation.method == "shap_tree"
        assert explanation.eval_y_predicted is not None
        assert explanation.eval_y_predicted.tolist() == [0, 0, 1, 1, 2]
        assert explanation.eval_y_predicted_proba is not None
        assert explanation.eval_y_predicted_proba.shape == (5, 3)
        # Ranked as the package itself had it.
        assert explanation.global_importance_rank.tolist() == stored("multiclass", "global_importance_rank")

    def test_without_names(self) -> None:
        explanation = load_folder(CAPTURED / "multiclass-no-names")
        assert explanation.classes == ("0", "1", "2")
        assert explanation.features == ("feature_0", "feature_1", "feature_2", "feature_3")
        assert explanation.data is not None
        assert explanation.data.names == explanation.features

    def test_names_may_be_given(self) -> None:
        explanation = load_folder(CAPTURED / "multiclass-no-names", classes="xyz", features="abcd")
        assert explanation.classes == ("x", "y", "z")
        assert explanation.features == ("a", "b", "c", "d")

    def test_one_row(self) -> None:
        explanation = load_folder(CAPTURED / "one-row")
        assert explanation.local_importance_values.shape == (2, 5)
        assert explanation.num_examples == 1
        assert explanation.features == CANCER

    def test_rows_only(self) -> None:
        explanation = load_folder(CAPTURED / "regression-rows")
        assert explanation.global_importances is None
        assert explanation.model_type == "sklearn.ensemble._forest.RandomForestRegressor"

    def test_permutation(self) -> None:
        explanation = load_folder(CAPTURED / "permutation")
        assert explanation.classes == ("malignant", "benign")
        assert explanation.local_importances is None

    def test_predictions_of_another_call_are_left_out_and_noted(self) -> None:
        assert len(stored("other-predictions", "eval_y_predicted")) == 3
        explanation = load_folder(CAPTURED / "other-predictions")
        assert explanation.eval_y_predicted is None
        assert any("eval_y_predicted left out: it has 3 rows, 1 were" in note for note in explanation.info.notes)
        assert explanation.eval_data is not None
        assert explanation.eval_data.shape == (1, 5)

    def test_sparse_rows(self) -> None:
        explanation = load_folder(CAPTURED / "sparse")
        assert explanation.eval_data is not None
        assert explanation.eval_data.shape == (3, 5)
        assert (explanation.eval_data[:, :2] == 0).all()
        assert (explanation.eval_data[:, 2:] != 0).all()


class TestChanged:
    """Folders and objects that differ from the captured ones in one thing."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return Path(shutil.copytree(CAPTURED / "multiclass", tmp_path / "explanation"))

    @staticmethod
    def change(file: Path, **fields: Any) -> None:
        document = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**document, **fields}), encoding="utf-8")

    def test_sparse_local_values(self, folder: Path) -> None:
        local = np.array(stored("multiclass", "local_importance_values"))
        local[np.abs(local) < 0.05] = 0
        parts = [csr_matrix(part) for part in local]
        rows = [[p.data.tolist(), p.indices.tolist(), p.indptr.tolist(), list(p.shape)] for p in parts]
        self.change(folder / "local_importance_values.json", metadata="sparse", data=rows)
        np.testing.assert_array_equal(load_folder(folder).local_importance_values, local)
        given = as_object("multiclass")
        given.local_importance_values = parts
        np.testing.assert_array_equal(from_interpret_community(given).local_importance_values, local)

    def test_a_cut_is_mended_from_the_local_values(self) -> None:
        given = as_object("multiclass")
        given.global_importance_values = sorted(given.global_importance_values)[:1:-1]
        given.per_class_values = [row[:2] for row in given.per_class_values]
        explanation = from_interpret_community(given)
        np.testing.assert_allclose(
            explanation.global_importance_values, stored("multiclass", "global_importance_values")
        )
        np.testing.assert_allclose(explanation.per_class_values, stored("multiclass", "per_class_values"))

    def test_a_cut_without_local_values_is_refused(self) -> None:
        given = as_object("multiclass")
        del given.local_importance_values
        given.global_importance_values = given.global_importance_values[:2]
        with pytest.raises(InvalidExplanationError, match=r"cut to 2 of 4 features.*without top_k"):
            from_interpret_community(given)

    def test_the_id_of_a_dataset_is_no_rows(self) -> None:
        given = as_object("multiclass")
        given.eval_data = given.eval_y_predicted = "3c1fd0f4-a-dataset"
        explanation = from_interpret_community(given)
        assert explanation.eval_data is None
        assert explanation.eval_y_predicted is None

    def test_local_values_of_no_known_shape_are_refused(self) -> None:
        given = as_object("multiclass")
        given.local_importance_values = given.local_importance_values[0]
        with pytest.raises(InvalidExplanationError, match=r"\(5, 4\), and there are 3 classes"):
            from_interpret_community(given)

    def test_a_newer_version_is_refused(self, folder: Path) -> None:
        self.change(folder / "explanation_metadata.json", serialization_version=2)
        with pytest.raises(FormatVersionError, match="serialization_version=2"):
            load_folder(folder)

    @pytest.mark.parametrize("text", ["[1, 2", "[]", '{"metadata": "list"}', '{"metadata": "sparse", "data": [[1]]}'])
    def test_a_damaged_file_is_named(self, folder: Path, text: str) -> None:
        (folder / "local_importance_values.json").write_text(text, encoding="utf-8")
        with pytest.raises(StoredDataError, match="local_importance_values"):
            load_folder(folder)

    @pytest.mark.parametrize(
        "matrix", [[[1.0], [9], [0, 1], [1, 2]], [[1.0], [0], [0, 2], [1, 2]], [[], [], [0], [-1, 2]]]
    )
    def test_a_sparse_matrix_that_cannot_be_is_refused(self, folder: Path, matrix: Any) -> None:
        self.change(folder / "eval_data.json", metadata="sparse", data=matrix)
        with pytest.raises(StoredDataError, match="eval_data"):
            load_folder(folder)

    def test_a_sparse_matrix_is_not_made_dense_at_any_size(self, folder: Path) -> None:
        self.change(folder / "eval_data.json", metadata="sparse", data=[[], [], [0], [10**6, 10**6]])
        with pytest.raises(LimitExceededError, match="1000000 x 1000000"):
            load_folder(folder)

    def test_another_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match=r"no explanation_metadata\.json"):
            load_folder(tmp_path)

    @pytest.mark.parametrize("given", [None, "text", SimpleNamespace(method="pfi"), np.ones(3)])
    def test_what_is_no_explanation_is_refused(self, given: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="no explanation"):
            from_interpret_community(given)


def test_explanations_of_this_library_have_the_same_members() -> None:
    given = Explanation.from_arrays(local=np.arange(24.0).reshape(2, 3, 4), classes=["a", "b"], base_values=[1, 2])
    back = from_interpret_community(given)
    assert back.local_importances is not None
    assert given.local_importances is not None
    assert back.local_importances.same_as(given.local_importances)
    assert back.classes == given.classes
