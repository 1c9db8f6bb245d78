"""Readers of fitted models, chosen by the package that a model's class comes from.

No model's package is imported: whoever holds a model has imported it already.
"""

from __future__ import annotations

from explanation_client.treeshap.ensemble import TreeEnsemble
from explanation_client.treeshap.errors import UnsupportedModelError

__all__ = ["parse"]


def parse(model: object) -> TreeEnsemble:
    """Return the ensemble of a fitted model.

    The class and its bases are looked at in method resolution order, so that a subclass of a
    known model is read as that model.

    Raises
    ------
    UnsupportedModelError
        If no reader knows the class, or the reader meets a setting it doesn't know.
    """
    if isinstance(model, TreeEnsemble):
        return model
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package == "lightgbm":
            from explanation_client.treeshap.parsers import lightgbm

            return lightgbm.parse(model)
        if package == "xgboost":
            from explanation_client.treeshap.parsers import xgboost

            return xgboost.parse(model)
        if package == "catboost":
            from explanation_client.treeshap.parsers import catboost

            return catboost.parse(model)
        if package == "sklearn":
            from explanation_client.treeshap.parsers import sklearn

            return sklearn.parse(model, kind.__name__)
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    raise UnsupportedModelError(f"no reader knows models of type {name}")
