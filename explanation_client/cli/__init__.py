"""The command line: ``explanation-client COMMAND``; ``explanation-client --help`` lists the commands."""

from __future__ import annotations

import click

from explanation_client.cli import dashboard, drift, explanations, serve, storage


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="explanation-client")
def main() -> None:
    """Model explanations that are tracked in MLflow."""


# One line for each command; modules of commands import heavy packages only inside them.
main.add_command(explanations.list_command)
main.add_command(dashboard.dashboard)
main.add_command(explanations.show)
main.add_command(explanations.download)
main.add_command(explanations.delete)
main.add_command(drift.drift)
main.add_command(storage.verify)
main.add_command(storage.gc)
main.add_command(storage.resume)
main.add_command(serve.serve)
