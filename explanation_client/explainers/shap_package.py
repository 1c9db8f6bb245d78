"""shap, imported when it is needed: it takes seconds, and warns about the versions of what it imports itself."""

from __future__ import annotations

import warnings
from typing import Any

from explanation_client.errors import MissingDependencyError


def load_shap(needed_for: str) -> Any:
    """Return the module ``shap``.

    Raises
    ------
    MissingDependencyError
        It is not installed.

    """
    try:
        with warnings.catch_warnings():
            # Deprecations between shap and matplotlib: nothing that a caller of ours could change.
            warnings.simplefilter("ignore")
            import shap
    except ImportError as error:
        raise MissingDependencyError("shap", extra="explain", needed_for=needed_for) from error
    return shap
