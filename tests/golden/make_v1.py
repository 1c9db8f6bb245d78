"""Writes the golden files of version 1. They were written once; running it again would defeat their purpose.

``python -m tests.golden.make_v1 FOLDER [NAME...]`` writes a folder for each explanation of
``tests/golden/explanations.py``, or for those of these names.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from explanation_client.artifacts import MemoryArtifacts
from explanation_client.explanation import Explanation
from explanation_client.format.v1 import encode
from explanation_client.format.v1.sample import ViewSize
from explanation_client.store import stream
from explanation_client.streams import sizes
from explanation_client.streams.upload import StreamRequest, store_stream
from tests.golden.bundle import store
from tests.golden.explanations import GOLDEN
from tests.support.streams import KnownBatches


def main(target: Path, *names: str) -> None:
    for name in names or GOLDEN:
        make = GOLDEN[name]
        if name == "streamed":
            write(target / name, streamed_files(make()))
            continue
        # Blocks that a thousand columns would need otherwise; a reader takes any.
        size = ViewSize(rows=5, columns=3) if name == "sampled" else ViewSize()
        with mock.patch.object(encode, "MAX_BLOCK", 16), mock.patch.object(encode, "ViewSize", return_value=size):
            shard_bytes = 3 * 16 * 4 if name == "wide" else 1 << 20
            bundle = store(make(), nonce="golden", shard_bytes=shard_bytes, include_data=True, include_view=True)
        write(target / name, bundle.files)


def streamed_files(explanation: Explanation) -> dict[str, bytes]:
    """Return the files of an explanation that came in two batches, each of which is a shard."""
    artifacts = MemoryArtifacts()
    request = StreamRequest(id=explanation.id, comment=explanation.info.comment, model_id=explanation.info.model_id)
    local: Any = explanation.local_importances
    size = local.values[:, :4].nbytes
    with mock.patch.object(sizes, "SHARD_BYTES", size), mock.patch.object(stream, "new_nonce", return_value="golden"):
        store_stream(artifacts, KnownBatches(explanation, (4,)), request, timeout=5, show_progress=False)
    return {stat.name: artifacts.read(stat.path) for stat in artifacts.list(request.folder)}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for file, data in files.items():
        (folder / file).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
