"""The app behind ``mlflow server --app-name explanations-basic-auth``: MLflow's basic-auth with the tab."""

from __future__ import annotations

import os
from typing import Any

import click
from mlflow import __version__
from mlflow.server import app as mlflow_app

from server_plugin.pages import add_pages
from server_plugin.versions import check_version

check_version(__version__)

# MLflow checks its settings and creates the administrator before it starts workers, and does so by the name
# `basic-auth`. Its command imports this module at that moment: a missing secret is then one error, and not workers that
# are restarted for ever.
_command = click.get_current_context(silent=True)
if _command is not None and _command.info_name == "server":
    from mlflow.server import _bootstrap_basic_auth

    _bootstrap_basic_auth()
    os.environ["_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"] = "true"


def create_app() -> Any:
    """Return MLflow's app with basic-auth and the Explanations tab."""
    from mlflow.server import auth

    # First ours, so that they are among the routes which basic-auth then guards.
    add_pages(mlflow_app)
    return auth.create_app(mlflow_app)
