"""Uploads in processes that can be killed: started by forking one that has everything loaded.

A process that imports all it needs takes two seconds of CPU before its first request, one that is forked a few
milliseconds: two hundred kills are then a matter of minutes.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np

from explanation_client import ExplanationClient
from explanation_client.streams import sizes
from tests.strategies import random_explanation
from tests.support.servers import Run
from tests.support.streams import KnownBatches, KnownExplainer

# 16 MB are uploaded, about half of it local importances and half the ranked copies beside them: more than connections
# hold in their buffers, so that an upload is killed half-way and not only before or after.
_LARGE = (1, 80_000, 40)
# The same explanation as a stream: batches of so many rows, which fill shards of this size. There are five.
_BATCH_ROWS = 2_000
_SHARD_BYTES = 3 << 20
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["tests.support.uploads", "explanation_client.dashboard.page", "mlflow.tracking", "pyarrow.parquet", "boto3"]
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A process that uploads."""

    process: BaseProcess
    messages: Connection

    def kill(self) -> None:
        """End the process at once, unless it has ended by itself."""
        self.process.kill()

    def finished(self, timeout: float = 280) -> bool:
        """Wait for the end of the process, and return whether it saw its upload succeed."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, "the upload did not end"
        try:
            return self.messages.poll() and bool(self.messages.recv() == "done")
        except EOFError:
            return False
        finally:
            self.messages.close()


def start_upload(run: Run, comment: str, *, as_stream: bool = False) -> Upload:
    """Return a process that is about to upload: its explanation is made, the first request not yet sent."""
    ours, theirs = _context.Pipe(duplex=False)
    arguments = (theirs, run.tracking_uri, run.run_id, comment, as_stream, dict(os.environ))
    process = _context.Process(target=_upload, args=arguments, daemon=True)
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    return Upload(process, ours)


def start_many(run: Run, *, writers: int, same_id: str) -> list[Upload]:
    """Return processes that upload at the same time, each an explanation of its own and one under the common id."""
    uploads = []
    for number in range(writers):
        ours, theirs = _context.Pipe()
        arguments = (theirs, run.tracking_uri, run.run_id, number, same_id, dict(os.environ))
        process = _context.Process(target=_upload_two, args=arguments, daemon=True)
        process.start()
        theirs.close()
        uploads.append(Upload(process, ours))
    for upload in uploads:
        assert upload.messages.recv() == "ready"
    for upload in uploads:
        upload.messages.send("go")
    return uploads


def _upload_two(
    messages: Connection, tracking_uri: str, run_id: str, number: int, same_id: str, environment: dict[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    own, same = (random_explanation(1, 50, 5, seed=number + offset) for offset in (0, 100))
    same = replace(same, info=replace(same.info, id=same_id))
    client = ExplanationClient.from_run_id(tracking_uri, run_id=run_id, timeout=240)
    messages.send("ready")
    messages.recv()
    client.upload_model_explanation(same, comment=f"same {number}", visualize=False)
    client.upload_model_explanation(own, comment=f"own {number}", visualize=False)
    messages.send("done")


def _upload(
    messages: Connection, tracking_uri: str, run_id: str, comment: str, as_stream: bool, environment: dict[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)  # the process that was forked has that of the first test
    explanation = random_explanation(*_LARGE, dtype=np.float32)
    client = ExplanationClient.from_run_id(tracking_uri, run_id=run_id, timeout=240)
    messages.send("ready")
    if as_stream:
        sizes.SHARD_BYTES = _SHARD_BYTES
        explainer = KnownExplainer(KnownBatches(explanation, range(_BATCH_ROWS, _LARGE[1], _BATCH_ROWS)))
        client.upload_stream(explainer, None, comment=comment)
    else:
        client.upload_model_explanation(explanation, comment=comment)
    messages.send("done")
