"""A scoring explainer as a web service: predictions and local importances for rows that are posted to it.

``explanation-client serve DIRECTORY`` at the command line, :func:`serve` from Python, :func:`create_app` for a server
of one's own. Public names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from explanation_client.errors import MissingDependencyError

if TYPE_CHECKING:
    from explanation_client.serving.app import Service, create_app
    from explanation_client.serving.options import Limits, SampleOptions, ServiceOptions
    from explanation_client.serving.supervisor import StartError, serve

__all__ = ["Limits", "SampleOptions", "Service", "ServiceOptions", "StartError", "create_app", "serve"]

_PACKAGES = ("fastapi", "orjson", "uvicorn")
_HOMES = {
    "Limits": "options",
    "SampleOptions": "options",
    "Service": "app",
    "ServiceOptions": "options",
    "StartError": "supervisor",
    "create_app": "app",
    "serve": "supervisor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingDependencyError(error.name, extra="serve", needed_for="serving") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
