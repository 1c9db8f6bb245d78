"""Parts of a scoring explainer's description, read one by one: what does not make sense is noted or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError
from explanation_client.explainers.inputs import Schema
from explanation_client.format.audit import Audit
from explanation_client.info import Task, name_problems
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.parts import ScoringInfo
from explanation_client.scoring.rows import Inputs
from explanation_client.scoring.sums import LinearSum, Member, TreeSum, prepared
from explanation_client.scoring.tables import TYPES, read_levels
from explanation_client.scoring.trees import read_ensemble
from explanation_client.surrogates.design import Design

KINDS = ("tree", "linear", "kernel", "deep")
_LABELS: dict[str, tuple[type | tuple[type, ...], Any]] = {
    "bool": (bool, np.bool_),
    "int": (int, np.int64),
    "float": ((int, float), np.float64),
    "str": (str, np.object_),
}
_ORIGIN = "the scoring explainer takes"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What a description says without its files."""

    kind: str
    task: Task
    outputs: tuple[str, ...]
    info: ScoringInfo
    inputs: Inputs
    columns: Schema


def read_head(document: dict[str, Any], audit: Audit) -> Head | None:
    """Return what a description says without its files, None after noting what is wrong with it."""
    kind = audit.choice(document, "kind", KINDS, "")
    task = audit.choice(document, "task", get_args(Task), "")
    outputs = audit.list_of(document, "outputs", str, "")
    info = _read_info(audit.field(document, "info", dict, "") or {}, audit)
    inputs = _read_inputs(audit.field(document, "inputs", dict, "") or {}, audit)
    columns = read_schema(audit.field(document, "columns", dict, "") or {}, "columns", audit)
    if kind is None or task is None or outputs is None or info is None or inputs is None or columns is None:
        return None
    if not outputs or len(set(outputs)) != len(outputs) or (task == "regression") != (len(outputs) == 1):
        audit.note("outputs", f"are {len(outputs)} names of a {task}")
        return None
    return Head(kind, cast(Task, task), outputs, info, inputs, columns)


def _read_info(found: dict[str, Any], audit: Audit) -> ScoringInfo | None:
    values: dict[str, Any] = {
        key: audit.field(found, key, str, "info") for key in ("id", "explained_by", "output_space", "model_type")
    }
    created_at = audit.time(found, "created_at", "info")
    pairs = audit.list_of(found, "made_with", list, "info") or ()
    if any(len(pair) != 2 or not all(isinstance(text, str) for text in pair) for pair in pairs):
        audit.note("info.made_with", "are not pairs of package and version")
        return None
    if created_at is None or None in values.values():
        return None
    return ScoringInfo(
        **values,
        created_at=created_at,
        reason=audit.field(found, "reason", str, "info", optional=True),
        notes=audit.list_of(found, "notes", str, "info") or (),
        made_with=tuple((pair[0], pair[1]) for pair in pairs),
    )


def _read_inputs(found: dict[str, Any], audit: Audit) -> Inputs | None:
    schema = read_schema(found, "inputs", audit)
    types = audit.list_of(found, "types", str, "inputs", optional=True)
    levels = read_levels(found, "inputs", audit)
    as_frame = audit.field(found, "as_frame", bool, "inputs")
    if schema is None or levels is None or as_frame is None:
        return None
    if types is not None and (len(types) != schema.n_features or not set(types) <= set(TYPES)):
        audit.note("inputs.types", f"are not {schema.n_features} known types")
        return None
    return Inputs(schema, types, levels, as_frame)


def read_schema(document: dict[str, Any], where: str, audit: Audit) -> Schema | None:
    """Return the columns of a table, None after noting what is wrong with them."""
    features = audit.list_of(document, "features", str, where)
    names = audit.list_of(document, "names", str, where, optional=True)
    if not features:
        audit.note(f"{where}.features", "are none")
        return None
    for problem in name_problems(features):
        audit.note(f"{where}.features", problem)
    if names is not None and (len(names) != len(features) or len(set(names)) != len(names)):
        audit.note(f"{where}.names", f"are not {len(features)} different names")
    return Schema(len(features), names, features, _ORIGIN)


def read_linear(arrays: dict[str, NDArray[Any]], name: str) -> LinearSum:
    """Return a linear model of its arrays.

    Raises
    ------
    CorruptFileError
        They do not fit together.

    """
    coefficients, intercepts, mean = (arrays[key] for key in ("coefficients", "intercepts", "mean"))
    shapes = (
        coefficients.ndim == 2 and intercepts.shape == coefficients.shape[:1] and mean.shape == (coefficients.shape[1],)
    )
    if not shapes or not all(a.dtype == np.float64 and np.isfinite(a).all() for a in (coefficients, intercepts, mean)):
        raise CorruptFileError(f"{name}: coefficients, intercepts and mean do not fit together, or are not finite")
    return LinearSum(coefficients, intercepts, mean)


def read_trees(document: dict[str, Any], arrays: dict[str, NDArray[Any]], name: str, compiled: bool | None) -> TreeSum:
    """Return a sum of trees of its arrays.

    Raises
    ------
    CorruptFileError
        They are no sound trees, or do not fit together.

    """
    n_outputs, n_columns = int(document["n_outputs"]), int(document["n_columns"])
    members = []
    for i, entry in enumerate(document["members"]):
        own = {key.partition(".")[2]: array for key, array in arrays.items() if key.partition(".")[0] == str(i)}
        columns, background = own.pop("columns", None), own.pop("background", None)
        ensemble = read_ensemble(own, entry, name=name)
        outputs = np.array(entry["outputs"], np.intp)
        width = n_columns if columns is None else len(columns)
        sound = (
            ensemble.n_features == width
            and outputs.shape == (ensemble.n_outputs,)
            and 0 <= outputs.min() <= outputs.max() < n_outputs
            and (columns is None or 0 <= columns.min() <= columns.max() < n_columns)
            and (
                background is None
                or (background.shape[1:] == (width,) and background.dtype == np.float64 and len(background))
            )
        )
        if not sound:
            raise CorruptFileError(f"{name}: the trees of member {i} do not fit what they are added to")
        members.append(
            Member(prepared(ensemble, background, compiled=compiled), outputs, float(entry["weight"]), columns)
        )
    if not members:
        raise CorruptFileError(f"{name}: holds no trees")
    return TreeSum(members, n_outputs, n_columns)


def read_encoding(document: dict[str, Any], fill: NDArray[Any] | None, n_columns: int, width: int) -> Levels:
    """Return how columns become numbers; ``ValueError`` where that makes others than the sums take."""
    audit = Audit("the description of the scoring explainer")
    codes = read_levels({"levels": document["codes"]}, "attributor.levels", audit)
    audit.finish()
    assert codes is not None
    design = None
    if document["design"] is not None:
        columns = {int(j): np.array(found, np.float64) for j, found in document["design"].items()}
        design = Design(int(document["n_features"]), columns)
    expanded = n_columns if design is None else n_columns + sum(len(found) - 1 for found in design.levels.values())
    within = [j for known in (codes, {} if design is None else design.levels) for j in known]
    if expanded != width or any(not 0 <= j < n_columns for j in within):
        raise ValueError(f"{expanded} columns for sums of {width}")
    if design is not None and (
        design.n_features != n_columns or not all(found.size for found in design.levels.values())
    ):
        raise ValueError(f"a design of {design.n_features} columns")
    if fill is not None and (fill.shape != (width,) or fill.dtype != np.float64):
        raise ValueError(f"what stands for missing numbers has shape {fill.shape}")
    return Levels(codes, design, fill)


def read_labels(document: dict[str, Any] | None) -> NDArray[Any] | None:
    """Return the labels of a model; ``ValueError`` where they are not all different, or of several types."""
    if document is None:
        return None
    values = document["values"]
    kind = one_of(document["type"], tuple(_LABELS))
    wanted, dtype = _LABELS[kind]
    if not all(isinstance(value, wanted) for value in values) or len(set(values)) != len(values):
        raise ValueError("the labels are not all different values of one type")
    return np.array(values, dtype)


def one_of(value: Any, known: tuple[str, ...]) -> str:
    """Return a value that is one of those that are known; ``ValueError`` otherwise."""
    if value not in known:
        raise ValueError(f"{str(value)[:40]!r} is none of {', '.join(known)}")
    return str(value)
