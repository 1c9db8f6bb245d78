"""Writes the golden files of version 1. They were written once; running it again would defeat their purpose.

``python -m tests.golden.make_v1 FOLDER [NAME...]`` writes a folder for each explanation of
``tests/golden/explanations.py``, or for those of these names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

from explanation_client.format.v1 import encode
from explanation_client.format.v1.sample import ViewSize
from tests.golden.bundle import store
from tests.golden.explanations import GOLDEN


def main(target: Path, *names: str) -> None:
    for name in names or GOLDEN:
        make = GOLDEN[name]
        # Blocks that a thousand columns would need otherwise; a reader takes any.
        size = ViewSize(rows=5, columns=3) if name == "sampled" else ViewSize()
        with mock.patch.object(encode, "MAX_BLOCK", 16), mock.patch.object(encode, "ViewSize", return_value=size):
            shard_bytes = 3 * 16 * 4 if name == "wide" else 1 << 20
            bundle = store(make(), nonce="golden", shard_bytes=shard_bytes, include_data=True, include_view=True)
        folder = target / name
        folder.mkdir(parents=True)
        for file, data in bundle.files.items():
            (folder / file).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
