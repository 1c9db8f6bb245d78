"""Hosts of their own for tests: network and mount namespaces on this machine, joined by cables.

::

    with Network() as network:
        server, laptop = network.host("server"), network.host("laptop")
        network.join(server, laptop, names=("tracking",))  # laptop knows the server by this name
        server.start([...]), laptop.run([...])

Each host has interfaces, a list of names (/etc/hosts) and a folder of its own: the same path, other files. What is
installed on this machine is installed on all of them. Everything ends with the block, or with the process that had it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

NEEDED = ("ip", "mount", "nsenter", "setpriv", "unshare")
STOP_SECONDS = 30.0
# One process for each host holds its namespaces. A table of names of its own lies over that of the machine.
_ANCHOR = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$1"
echo "127.0.0.1 localhost" >"$1/hosts"
mount --bind "$1/hosts" /etc/hosts
ip link set lo up
echo 0 >/proc/sys/net/ipv4/ip_forward
echo ready
exec sleep 86400
"""


def why_not() -> str | None:
    """Return why this machine can't have hosts of their own; None where it can."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}: apt-get install iproute2 util-linux"
    if os.geteuid() != 0:
        return "needs root, which alone may make network namespaces"
    return None


@dataclass(eq=False)
class Host:
    """One host.

    Attributes
    ----------
    folder
        The files that only this host sees.
    """

    name: str
    folder: Path
    anchor: subprocess.Popen[str]
    addresses: list[str] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def prefix(self) -> list[str]:
        """What makes a command one of this host, also from another host."""
        return ["nsenter", "--target", str(self.anchor.pid), "--net", "--mount", "--"]

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return what a login here would have, and more; nothing of the tests' own environment."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "LC_ALL": "C.UTF-8",
            **more,
        }

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        timeout: float = 240,
        text: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Return what a command said once it has ended, however that was."""
        return subprocess.run(
            [*self.prefix, *command],
            env=self.environment(environment or {}),
            cwd="/",
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a command that ends with the host; what it says goes to a file of the machine."""
        with log.open("ab") as target:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.prefix, *command],
                env=self.environment(environment or {}),
                cwd="/",
                stdout=target,
                stderr=target,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def knows(self, address: str, *names: str) -> None:
        """Add names to the host's list."""
        lines = "".join(f"{address} {name}\n" for name in names)
        added = self.run(["sh", "-c", "cat >>/etc/hosts"], text=lines)
        assert added.returncode == 0, added.stderr


class Network:
    """Hosts that are joined two by two; no traffic goes through one to another."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hosts-"))
        self._hosts: list[Host] = []
        self._cables = 0

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            for process in host.started:
                stop(process)
        for host in self._hosts:
            host.anchor.kill()
            host.anchor.wait()
            assert host.anchor.stdout is not None
            host.anchor.stdout.close()
        self._folder.rmdir()

    def host(self, name: str) -> Host:
        """Return a new host, without any cable."""
        anchor = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "sh",
                "-c",
                _ANCHOR,
                "sh",
                str(self._folder),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert anchor.stdout is not None
        if anchor.stdout.readline() != "ready\n":
            raise RuntimeError(f"the namespaces of {name} can't be made: see above")
        host = Host(name, self._folder, anchor)
        self._hosts.append(host)
        return host

    def join(self, one: Host, other: Host, *, names: Sequence[str] = ()) -> None:
        """Lay a cable between two hosts; the second knows the first by these names."""
        number, self._cables = self._cables, self._cables + 1
        near, far = f"10.77.{number}.1", f"10.77.{number}.2"
        interface, peer = f"c{number}a", f"c{number}b"
        _ip("link", "add", interface, "netns", str(one.anchor.pid), "type", "veth", "peer", "name", peer, "netns",
            str(other.anchor.pid))  # fmt: skip
        for host, device, address in ((one, interface, near), (other, peer, far)):
            for command in (f"ip addr add {address}/30 dev {device}", f"ip link set {device} up"):
                done = host.run(command.split())
                assert done.returncode == 0, done.stderr
            host.addresses.append(address)
        other.knows(near, *(names or (one.name,)))


def stop(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """Ask a process and what it started to end, and kill what has not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
