"""``python -m explanation_client.cli``."""

from explanation_client.cli import main

main()
