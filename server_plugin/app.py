"""The app behind ``mlflow server --app-name explanations``."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from mlflow import __version__
from mlflow.server import app as mlflow_app

from server_plugin.pages import add_pages
from server_plugin.versions import check_version

# `mlflow server` imports this module before it starts any worker: what is wrong is then said once, and it ends.
check_version(__version__)


def create_app() -> Any:
    """Return MLflow's app with the Explanations tab: an ASGI app under uvicorn, else a WSGI app."""
    add_pages(mlflow_app)
    return for_server(mlflow_app)


def for_server(app: Flask) -> Any:
    """Return the app as the server wants it that MLflow is run by."""
    if os.environ.get("_MLFLOW_SGI_NAME") != "uvicorn":
        return app
    from mlflow.server.fastapi_app import create_fastapi_app

    return create_fastapi_app(app)
