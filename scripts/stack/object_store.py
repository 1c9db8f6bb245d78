"""An S3-compatible object store: OpenStack Swift with its S3 interface, as four processes."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.stack import programs
from scripts.stack.service import Service, StackError, answers, free_port

KINDS = ("account", "container", "object", "proxy")
ACCESS_KEY = "mlflow:mlflow"  # Swift's names of an account and of a user in it
REGION = "us-east-1"
_INSTALL = "it is part of the environment that the make commands set up on Linux"

# One replica on one device; the parts' ports are in the rings, so these are made anew at each start.
_MAKE_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, address = sys.argv[1], "127.0.0.1"
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": address, "port": int(port), "device": "disk", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""

# The defaults give a part half a second to a few seconds to answer, and then leave its work to daemons that do not run
# here: on a busy machine an object would be missing from listings for ever.
_COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
disable_fallocate = true
log_level = WARNING
conn_timeout = 30
node_timeout = 60
container_update_timeout = 60
"""

_PART = """
[pipeline:main]
pipeline = healthcheck {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}

[filter:healthcheck]
use = egg:swift#healthcheck
"""

_PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck s3api tempauth slo dlo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 30
node_timeout = 60
recoverable_node_timeout = 60

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:s3api]
use = egg:swift#s3api
location = {region}

[filter:tempauth]
use = egg:swift#tempauth
user_{user_name} = {secret} .admin

[filter:slo]
use = egg:swift#slo

[filter:dlo]
use = egg:swift#dlo
"""


@dataclass(slots=True)
class ObjectStore:
    """A Swift cluster of one device, with its data in ``folder``, that speaks S3 on one port.

    Parameters
    ----------
    folder : Path
        On a file system with extended attributes, in which Swift keeps what it knows of an object.
    port : int
        That of the S3 interface; a free one unless given.
    secret : str
        The secret key.

    """

    folder: Path
    port: int = field(default_factory=free_port)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    services: list[Service] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def endpoint(self) -> str:
        """The address that S3 clients take."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What MLflow, a server or a client of its own, needs to reach the store."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }

    def start(self) -> None:
        """Write the configuration and start the four processes; ``wait_until_ready`` waits for them."""
        commands = {kind: _program(f"swift-{kind}-server") for kind in KINDS}
        etc = self.folder / "etc"
        for folder in (etc, self.folder / "devices" / "disk"):
            folder.mkdir(parents=True, exist_ok=True)
        _check_attributes(self.folder / "devices")
        ports = {kind: free_port() for kind in KINDS} | {"proxy": self.port}
        self._write_configuration(etc, ports)
        for kind in KINDS:
            service = Service(
                f"Swift's {kind} server",
                [commands[kind], str(etc / f"{kind}.conf"), "--verbose"],
                self.folder / f"{kind}.log",
                lambda port=ports[kind]: answers(f"http://127.0.0.1:{port}/healthcheck"),  # type: ignore[misc]
            )
            service.start()
            self.services.append(service)

    def wait_until_ready(self) -> None:
        """Return once all four processes answer."""
        for service in self.services:
            service.wait_until_ready()

    def create_bucket(self, name: str) -> None:
        """Make a bucket, unless there is one of that name."""
        client = self.client()
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)

    def client(self) -> Any:
        """Return a boto3 client of the store."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.secret,
        )

    def stop(self) -> None:
        """Stop the four processes."""
        with contextlib.ExitStack() as stopping:
            for service in self.services:
                stopping.callback(service.stop)
        self.services.clear()

    def _write_configuration(self, etc: Path, ports: dict[str, int]) -> None:
        common = {"etc": etc, "devices": self.folder / "devices", "user": getpass.getuser()}
        for kind, port in ports.items():
            text = _COMMON.format(port=port, **common)
            if kind == "proxy":
                names = ACCESS_KEY.replace(":", "_")
                text += _PROXY.format(region=REGION, user_name=names, secret=self.secret)
            else:
                text += _PART.format(kind=kind)
            (etc / f"{kind}.conf").write_text(text)
        (etc / "proxy.conf").chmod(0o600)
        if not (etc / "swift.conf").exists():  # where an object lies depends on it
            (etc / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(16)}\n")
        arguments = [str(ports[kind]) for kind in KINDS[:3]]
        done = subprocess.run(
            [sys.executable, "-c", _MAKE_RINGS, str(etc), *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"Swift's rings can't be made:\n{done.stderr}")


def check_installed() -> None:
    """Raise ``NotInstalledError`` where Swift, or boto3, is not in this environment."""
    _program("swift-proxy-server")


def _program(name: str) -> str:
    return programs.of_environment(name, packages=("swift", "boto3"), install=_INSTALL)


def _check_attributes(folder: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        try:
            os.setxattr(probe.name, "user.swift.probe", b"x" * 300)
        except OSError as error:
            raise StackError(
                f"the file system of {folder} has no extended attributes, which Swift needs ({error.strerror}): give a "
                "folder on another one, such as ext4 or xfs"
            ) from error
