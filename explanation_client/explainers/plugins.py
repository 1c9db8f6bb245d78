"""Explainers that other installed packages add: entry points of the group ``explanation_client.explainers``.

The name of an entry point is the name for ``method=``. It points at a subclass of
:class:`~explanation_client.explainers.base.Explainer` with a class method ``explains(model)``, which returns in a few
words why it explains a model, or None where it does not. It is asked for models that are in no table here, before
Kernel SHAP is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from explanation_client.errors import ExplanationError
from explanation_client.explainers.base import Explainer

GROUP = "explanation_client.explainers"


@dataclass(frozen=True, slots=True)
class InstalledExplainer:
    """An explainer of another package, loaded when it is asked."""

    name: str
    package: str
    entry: EntryPoint

    def load(self) -> type[Explainer]:
        """Return the class.

        Raises
        ------
        ExplanationError
            The package fails to load, or what it names is no explainer.

        """
        try:
            found = self.entry.load()
        except (ImportError, AttributeError) as error:
            raise ExplanationError(
                f"the explainer {self.name!r} of package {self.package!r} ({self.entry.value}) does not load: {error}; "
                "choose another with method=, or remove the package"
            ) from error
        if not (isinstance(found, type) and issubclass(found, Explainer)):
            raise ExplanationError(
                f"the explainer {self.name!r} of package {self.package!r} ({self.entry.value}) is no subclass of "
                "explanation_client.explainers.base.Explainer"
            )
        return found

    def explains(self, model: Any) -> str | None:
        """Return why this explainer explains the model, or None where it does not."""
        explains = getattr(self.load(), "explains", None)
        if explains is None:
            # Without that method it is used only where method= asks for it.
            return None
        return cast("str | None", explains(model))


def installed_explainers() -> list[InstalledExplainer]:
    """Return the explainers of other packages, by name."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return [
        InstalledExplainer(entry.name, entry.dist.name if entry.dist is not None else "an unknown package", entry)
        for entry in found
    ]
