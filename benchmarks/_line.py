"""A line of a given speed to a server on this machine, in a process of its own, that counts the bytes it carries.

All connections share the speed, each direction has its own. Used by ``transfer.py``:

    python _line.py PORT BYTES_PER_SECOND      prints its own port, then a line of counts for each line on stdin
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_PIECE = 1 << 18


class Line:
    """The line as seen from the benchmark: a context manager with an address and counts."""

    def __init__(self, port: int, bytes_per_second: float | None = None) -> None:
        self._command = [sys.executable, str(Path(__file__)), str(port), str(bytes_per_second or 0)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.uri = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def carried(self) -> tuple[int, int]:
        """Return the bytes to the server and from it, since the start."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        up, down = self._process.stdout.readline().split()
        return int(up), int(down)


class _Direction:
    def __init__(self, bytes_per_second: float) -> None:
        self.carried = 0
        self._speed = bytes_per_second
        self._free_at = 0.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                self.carried += len(piece)
                if self._speed:
                    self._free_at = max(self._free_at, time.monotonic() - 0.002) + len(piece) / self._speed
                    await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _serve(port: int, bytes_per_second: float) -> None:
    up, down = _Direction(bytes_per_second), _Direction(bytes_per_second)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * _PIECE)
        await asyncio.gather(up.carry(reader, server_writer), down.carry(server_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=4 * _PIECE)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(up.carried, down.carried, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
