"""Explanations as tables: Arrow and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from explanation_client.errors import MissingDependencyError, PartMissingError
from explanation_client.importances import AnyImportances, Importances
from explanation_client.interactions import Interactions

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from explanation_client.explanation import Explanation

TablePart = Literal["global", "per_class", "local", "interactions"]


def to_arrow(explanation: Explanation, part: TablePart, *, output: int | str | None = None) -> pyarrow.Table:
    """Return a part of an explanation as an Arrow table.

    - ``"global"``: columns ``feature`` and ``importance``, most important first.
    - ``"per_class"``: columns ``output``, ``feature`` and ``importance``, most important first in each class.
    - ``"local"``, all features: columns ``output`` (only with several) and ``row``, then one for each feature.
    - ``"local"``, cut: one line for each kept value: ``output``, ``row``, ``rank``, ``feature``, ``importance``.
    - ``"interactions"``: the matrix, a line for each feature: columns ``output`` (only with several) and ``feature``,
      then one for each feature.

    A feature that is itself named ``output``, ``row`` or ``feature`` keeps its name; the label column gets an
    underscore.

    Parameters
    ----------
    explanation : Explanation
        Must have the part.
    part : "global", "per_class", "local" or "interactions"
    output : int or str, optional
        Only this output, by position or name.

    """
    import pyarrow as pa

    source = explanation if output is None else explanation.output(output)
    if part == "per_class" and output is not None:
        part = "global"
    if part == "global":
        return pa.table(_ranked_columns(_required(source.global_importances).ranked(), source.features))
    labels = list(source.info.outputs)
    if part == "per_class":
        ranked = _required(source.per_class_importances).ranked()
        return pa.table(
            {
                "output": np.repeat(np.array(labels, object), ranked.shape[-1]),
                **_ranked_columns(ranked, source.features),
            }
        )
    if part == "interactions":
        assert source.interactions is not None
        return pa.table(_interaction_columns(source.interactions.load(), source.features, labels))
    local = _required(source.local_importances).load()
    return pa.table(_local_columns(local, source, labels))


def to_frame(explanation: Explanation, part: TablePart, *, output: int | str | None = None) -> pandas.DataFrame:
    """Return a part of an explanation as a pandas DataFrame: :func:`to_arrow`, with the labels as index.

    Raises
    ------
    MissingDependencyError
        pandas is not installed.

    """
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError("pandas", extra="explain", needed_for="to_frame()") from error
    table = to_arrow(explanation, part, output=output)
    columns = {i: column.to_numpy(zero_copy_only=False) for i, column in enumerate(table.columns)}
    frame = pandas.DataFrame(columns)
    frame.columns = pandas.Index(table.column_names, dtype=object)
    if part == "interactions" and explanation.interactions is not None:
        return frame.set_index(list(frame.columns[: table.num_columns - explanation.interactions.shape[2]]))
    if part == "local" and explanation.local_importances is not None and not explanation.local_importances.is_ranked:
        n_labels = table.num_columns - explanation.num_features
        return frame.set_index(list(frame.columns[:n_labels]))
    return frame


def _free(label: str, taken: set[str]) -> str:
    """Return the label, with as many underscores as make it differ from every feature."""
    while label in taken:
        label += "_"
    return label


def _required(importances: AnyImportances | None) -> AnyImportances:
    """Return the part; an output may lack what the whole has."""
    if importances is None:
        raise PartMissingError("there are no importances of this part for one output alone: ask for all outputs")
    return importances


def _ranked_columns(ranked: Importances, features: tuple[str, ...]) -> dict[str, Any]:
    return {"feature": ranked.names(features).ravel(), "importance": ranked.values.ravel()}


def _local_columns(local: Importances, source: Explanation, labels: list[str]) -> dict[str, Any]:
    n_outputs, n_rows, kept = local.shape
    taken = set(source.features) if not local.is_ranked else set()
    row_names = source.data.row_names if source.data is not None and source.data.row_names is not None else None
    rows = np.arange(n_rows) if row_names is None else row_names
    repeat = kept if local.is_ranked else 1
    columns: dict[str, Any] = {}
    if n_outputs > 1:
        columns[_free("output", taken)] = np.repeat(np.array(labels, object), n_rows * repeat)
    columns[_free("row", taken)] = np.tile(np.repeat(rows, repeat), n_outputs)
    if local.is_ranked:
        columns["rank"] = np.tile(np.arange(1, kept + 1), n_outputs * n_rows)
        return {**columns, **_ranked_columns(local, source.features)}
    flat = local.values.reshape(-1, kept)
    return {**columns, **{name: flat[:, position] for position, name in enumerate(source.features)}}


def _interaction_columns(interactions: Interactions, features: tuple[str, ...], labels: list[str]) -> dict[str, Any]:
    names = [features[position] for position in interactions.positions]
    columns: dict[str, Any] = {}
    if len(labels) > 1:
        columns["output_" if "output" in names else "output"] = np.repeat(np.array(labels, object), len(names))
    columns["feature_" if "feature" in names else "feature"] = np.tile(np.array(names, object), len(labels))
    flat = interactions.values.reshape(-1, len(names))
    return {**columns, **{name: flat[:, place] for place, name in enumerate(names)}}
