"""One worker of the service: a process with a copy of the model, told what to do by the supervisor.

The supervisor writes an assignment to the worker's standard input and keeps that open. When it closes, the supervisor
is gone, however that came about, and the worker stops too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from explanation_client.errors import ExplanationError
from explanation_client.serving.app import Service, create_app
from explanation_client.serving.assignment import START_FAILED, Assignment
from explanation_client.serving.logs import configure_logging
from explanation_client.serving.metrics import Metrics
from explanation_client.serving.options import ServiceOptions
from explanation_client.serving.scorer import ScriptScorer

# Stopping, the service listens so long for requests on connections that are open, and closes those that stay quiet.
_QUIET_SECONDS = 0.5
_log = logging.getLogger("explanation_client.serving")


class GracefulServer(uvicorn.Server):
    """A uvicorn server that loses no request when it stops.

    uvicorn closes connections that wait for their next request at once, also those on which one is just arriving. This
    one goes on answering as long as requests come, ends each connection with its answer, and leaves to uvicorn only
    the connections that have been quiet for half a second.

    Parameters
    ----------
    config : uvicorn.Config
    service : Service
    ready_fd : int, optional
        Gets a byte once requests are accepted.

    """

    def __init__(self, config: uvicorn.Config, service: Service, ready_fd: int | None = None) -> None:
        super().__init__(config)
        self._service = service
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept requests, and say so."""
        await super().startup(sockets=sockets)
        if self._ready_fd is not None:
            os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has arrived, then stop."""
        self._service.drain()
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        quiet = 0.0
        while self.server_state.connections and quiet < _QUIET_SECONDS and not self.force_exit:
            answered = self.server_state.total_requests
            await asyncio.sleep(0.05)
            quiet = quiet + 0.05 if answered == self.server_state.total_requests else 0.0
        await super().shutdown(sockets=[])


def build(options: ServiceOptions, metrics: Metrics | None = None) -> Service:
    """Return the application that the options describe, with its model loaded.

    Raises
    ------
    ExplanationError
        The directory holds no scoring explainer, or one that is damaged; or the script is none.

    """
    directory = Path(options.directory).resolve()
    if options.script is not None:
        scorer = ScriptScorer(Path(options.script).resolve(), directory)
        return Service(scorer, options.limits, threads=options.threads, metrics=metrics)
    from explanation_client.scoring import load

    # Never with allow_pickle: what a service loads is data.
    explainer = load(directory)
    return create_app(explainer, limits=options.limits, sample=options.sample, threads=options.threads, metrics=metrics)


def configure(service: Service, options: ServiceOptions) -> uvicorn.Config:
    """Return uvicorn's settings for the service."""
    return uvicorn.Config(
        service,
        log_config=None,
        access_log=options.access_log,
        server_header=False,
        # Nothing depends on where a request says that it comes from.
        proxy_headers=False,
        ws="none",
        # Longer than the minute after which load balancers close theirs: else they would send a request to a
        # connection that is just being closed.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(options.stop_seconds)),
    )


def work(assignment: Assignment, orders: Any) -> int:
    """Serve until told to stop, by SIGTERM or the end of ``orders``; return the exit status."""
    options = assignment.options
    try:
        service = build(options, Metrics(Path(assignment.metrics_file), assignment.slot))
    except ExplanationError as error:
        _log.error("the service can't start: %s", error)
        return START_FAILED
    listening = socket.socket(fileno=assignment.listen_fd)
    server = GracefulServer(configure(service, options), service, assignment.ready_fd)

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def supervisor_gone() -> None:
            loop.remove_reader(orders)
            server.should_exit = True

        loop.add_reader(orders, supervisor_gone)
        await server.serve(sockets=[listening])

    asyncio.run(serve())
    return 0


def main() -> None:
    """Run the worker that the supervisor started."""
    orders = sys.stdin.buffer
    assignment = Assignment.from_json(orders.readline().decode())
    configure_logging(access_log=assignment.options.access_log)
    sys.exit(work(assignment, orders))


if __name__ == "__main__":
    main()
