"""What an explanation records of how it was made."""

from __future__ import annotations

from explanation_client.explainers.model import Model
from explanation_client.info import ExplanationInfo, FeatureSpace, new_id, now, versions

_DISTRIBUTIONS = {
    "explanation_client": ("explanation-client",),
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}


def make_info(
    model: Model,
    *,
    n_rows: int,
    single_row: bool = False,
    method: str,
    n_features: int,
    output_space: str | None,
    feature_space: FeatureSpace | None = None,
    reason: str | None,
    notes: tuple[str, ...],
    packages: tuple[str, ...],
) -> ExplanationInfo:
    """Return the record of a new explanation of some rows.

    Parameters
    ----------
    model : Model
    n_rows : int
        Number of explained rows.
    single_row : bool
        They are one row, which came without a row axis.
    method, output_space, feature_space, reason, notes
        As in :class:`~explanation_client.info.ExplanationInfo`.
    n_features : int
        Number of explained features.
    packages : tuple of str
        Distributions whose versions matter, besides this library, numpy and the model's own.

    """
    used = ("explanation-client", "numpy", *packages, *_packages_of(model))
    return ExplanationInfo(
        id=new_id(),
        created_at=now(),
        method=method,
        task=model.task,
        outputs=model.outputs,
        n_features=n_features,
        n_rows=n_rows,
        single_row=single_row,
        output_space=output_space,
        feature_space=feature_space,
        model_type=model.type_name,
        reason=reason,
        notes=notes,
        made_with=versions(*dict.fromkeys(used)),
    )


def _packages_of(model: Model) -> tuple[str, ...]:
    """Return the distributions that the model's classes come from."""
    packages = dict.fromkeys(package for package, _ in model.origin if package != "builtins")
    return tuple(name for package in packages for name in _DISTRIBUTIONS.get(package, (package,)))
