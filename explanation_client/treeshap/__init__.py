"""Exact Shapley values of tree ensembles, at the cost of a few predictions.

>>> from explanation_client.treeshap import TreeEnsemble, shap_values
>>> ensemble = TreeEnsemble.from_model(model)                          # doctest: +SKIP
>>> values = shap_values(ensemble, rows)                               # doctest: +SKIP
>>> values.sum(axis=2).T + ensemble.base_values()                      # doctest: +SKIP

``values`` has shape (C, N, F) with C the outputs of the ensemble: 1 for regression and for a binary
margin, the number of classes for forests and multiclass margins. It adds up to
``ensemble.predict(rows)``, shape (N, C).

For repeated calls, and for single rows in microseconds, prepare once::

    tables = TreeTables(model, background=None)
    tables.shap_values(rows); tables.shap_values_row(row); tables.base_values

The package needs numpy; numba is imported once there is more to compute than loading it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explanation_client.treeshap.ensemble import TreeEnsemble
    from explanation_client.treeshap.errors import UnsupportedModelError
    from explanation_client.treeshap.explain import TreeTables, shap_values

__all__ = ["TreeEnsemble", "TreeTables", "UnsupportedModelError", "shap_values"]

_HOMES = {
    "TreeEnsemble": "ensemble",
    "UnsupportedModelError": "errors",
    "TreeTables": "explain",
    "shap_values": "explain",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
