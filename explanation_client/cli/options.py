"""What the commands share: the run they are about, how they speak to its server, how errors are shown."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from explanation_client.display import shown
from explanation_client.errors import ExplanationError, InvalidArgumentError

if TYPE_CHECKING:
    from explanation_client.client import ExplanationClient

F = TypeVar("F", bound=Callable[..., Any])
# Seconds that somebody at a terminal waits for a server that is away.
PATIENCE = 15.0


def said_plainly(command: F) -> F:
    """Show errors of this library as one message and exit 1, warnings as lines; everything else is a bug."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                result = command(*args, **kwargs)
        except ExplanationError as error:
            raise click.ClickException(shown(str(error), length=2000)) from error
        finally:
            for warning in caught:
                click.echo(f"Warning: {shown(str(warning.message), length=2000)}", err=True)
        return result

    return wrapper  # type: ignore[return-value]  # the same signature, which click reads from the wrapped function


def run_options(command: F) -> F:
    """Return the command with the run it is about, and the server of that."""
    return server_option(click.argument("run_id")(command))


def server_option(command: F) -> F:
    """Return the command with the address of its tracking server."""
    return click.option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="Address of the tracking server; by default the one that MLflow is set to.",
    )(command)


def choice_options(command: F) -> F:
    """Return the command with the choice of one explanation; without one it is about the latest."""
    command = click.option("--comment", help="The latest explanation with exactly this comment.")(command)
    return click.option("--id", "explanation_id", help="The explanation with this id.")(command)


def client_of(run_id: str, tracking_uri: str | None) -> ExplanationClient:
    """Return the client of a run; raise InvalidArgumentError where no server is named."""
    from explanation_client.client import ExplanationClient

    check_server(tracking_uri)
    return ExplanationClient.from_run_id(tracking_uri, run_id=run_id, timeout=PATIENCE)


def check_server(tracking_uri: str | None) -> None:
    """Raise InvalidArgumentError where no server is named."""
    import mlflow

    if tracking_uri is None and not mlflow.is_tracking_uri_set():
        raise InvalidArgumentError(
            "there is no tracking server: pass --tracking-uri http://HOST:PORT, or set MLFLOW_TRACKING_URI"
        )
