"""What the processes of a service write to standard error."""

from __future__ import annotations

import logging


def configure_logging(*, access_log: bool) -> None:
    """Write lines to standard error: what this library has to say, and what goes wrong elsewhere."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s [%(process)d] %(message)s")
    logging.getLogger("explanation_client").setLevel(logging.INFO)
    logging.getLogger("uvicorn.access").setLevel(logging.INFO if access_log else logging.WARNING)
