"""The bucket behind the tracking server: create it, copy all of it out, put it back.

    python -m server_plugin.objects create-bucket
    python -m server_plugin.objects export > objects.tar
    python -m server_plugin.objects import < objects.tar

The environment says which: S3_BUCKET, MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. It runs in the
server's image, which has boto3, or wherever else that is installed. No object is held in memory whole.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")

START_SECONDS = 120.0
# Objects on the way at a time: most are small, and each costs a round trip.
AHEAD = 8
IN_MEMORY = 4 << 20
SAY_EVERY = 10.0
# Where in a tar file the type of an object is kept.
_TYPE = "EXPLANATION.content-type"
# A week: no upload that is still running is so old.
_UNFINISHED_DAYS = 7


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m server_plugin.objects", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("create-bucket", help="create the bucket unless it is there; waits for the store")
    commands.add_parser("export", help="write all objects to standard output, as a tar file")
    restore = commands.add_parser("import", help="read a tar file from standard input into the bucket")
    restore.add_argument("--overwrite", action="store_true", help="also where the bucket is not empty")
    options = parser.parse_args(arguments)
    bucket = os.environ.get("S3_BUCKET")
    if not bucket:
        raise SystemExit("S3_BUCKET is not set: name the bucket that the tracking server uses")
    store = connect()
    if options.command == "create-bucket":
        create_bucket(store, bucket)
    elif options.command == "export":
        export_objects(store, bucket, sys.stdout.buffer)
    else:
        import_objects(store, bucket, sys.stdin.buffer, overwrite=options.overwrite)


def connect() -> Any:
    """Return a client of the object store that the environment names."""
    import boto3
    from botocore.config import Config

    settings = Config(
        s3={"addressing_style": "path"},  # a bucket's name in the host's is one more name to resolve
        retries={"max_attempts": 5, "mode": "standard"},
        max_pool_connections=AHEAD,
        # Checksums that not every S3-compatible store knows, where they are not required.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None, config=settings)


def create_bucket(store: Any, bucket: str, *, seconds: float = START_SECONDS) -> None:
    """Create the bucket unless it is there; wait until the store answers."""
    if bucket in _wait_for_buckets(store, seconds):
        _say(f"the bucket {bucket} is there")
    else:
        store.create_bucket(Bucket=bucket)
        _say(f"created the bucket {bucket}")
    _expire_unfinished(store, bucket)


def export_objects(store: Any, bucket: str, target: IO[bytes]) -> int:
    """Write all objects of a bucket to a tar file, and return how many there are.

    An object that is deleted while this runs is left out, as it would have been a moment later.
    """
    said = _Progress("exported")
    with (
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ThreadPoolExecutor(AHEAD) as pool,
    ):
        fetched = _ahead(pool, lambda key: _fetch(store, bucket, key), _keys(store, bucket))
        for found in fetched:
            if found is not None:
                entry, body = found
                with body:
                    archive.addfile(entry, body)
                said.add(entry.size)
    said.end()
    return said.count


def import_objects(store: Any, bucket: str, source: IO[bytes], *, overwrite: bool = False) -> int:
    """Store the files of a tar file as objects in the bucket, made if need be, and return how many there were.

    Raises
    ------
    SystemExit
        The bucket is not empty, and ``overwrite`` does not say that this is meant.

    """
    create_bucket(store, bucket)
    if not overwrite and next(_keys(store, bucket), None) is not None:
        raise SystemExit(f"the bucket {bucket} is not empty: restore into an empty one, or pass --overwrite")
    said = _Progress("imported")
    with tarfile.open(fileobj=source, mode="r|") as archive, ThreadPoolExecutor(AHEAD) as pool:
        for size in _ahead(pool, lambda read: _store(store, bucket, read), _files(archive)):
            said.add(size)
    said.end()
    return said.count


def _fetch(store: Any, bucket: str, key: str) -> tuple[tarfile.TarInfo, IO[bytes]] | None:
    """Return an object and what a tar file says of it; None where it is gone."""
    try:
        answer = store.get_object(Bucket=bucket, Key=key)
    except store.exceptions.NoSuchKey:
        return None
    entry = tarfile.TarInfo(key)
    entry.mtime = int(answer["LastModified"].timestamp())
    entry.pax_headers = {_TYPE: answer.get("ContentType", "application/octet-stream")}
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - whoever writes it on closes it
    shutil.copyfileobj(answer["Body"], body)
    entry.size = body.tell()
    if entry.size != answer["ContentLength"]:
        raise SystemExit(f"{key}: {entry.size} of {answer['ContentLength']} bytes arrived")
    body.seek(0)
    return entry, body


def _files(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for entry in archive:
        content = archive.extractfile(entry)
        if content is None:
            raise SystemExit(f"{entry.name}: no file, and an export has nothing else")
        body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - whoever stores it closes it
        shutil.copyfileobj(content, body)
        body.seek(0)
        yield entry, body


def _store(store: Any, bucket: str, read: tuple[tarfile.TarInfo, IO[bytes]]) -> int:
    entry, body = read
    kind = entry.pax_headers.get(_TYPE, "application/octet-stream")
    with body:
        store.upload_fileobj(body, bucket, entry.name, ExtraArgs={"ContentType": kind})
    return entry.size


def _keys(store: Any, bucket: str) -> Iterator[str]:
    for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", ()):
            yield found["Key"]


def _ahead(pool: ThreadPoolExecutor, work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield the results in order, with a few of the next ones under way."""
    remaining = iter(items)
    under_way: deque[Future[B]] = deque(pool.submit(work, item) for item in itertools.islice(remaining, AHEAD))
    while under_way:
        result = under_way.popleft().result()
        under_way.extend(pool.submit(work, item) for item in itertools.islice(remaining, 1))
        yield result


def _wait_for_buckets(store: Any, seconds: float) -> set[str]:
    from botocore.exceptions import ClientError, HTTPClientError

    deadline = time.monotonic() + seconds
    while True:
        try:
            return {found["Name"] for found in store.list_buckets()["Buckets"]}
        except (ClientError, HTTPClientError) as error:
            status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 503)
            if status < 500 or time.monotonic() > deadline:
                raise SystemExit(f"the object store does not let its buckets be listed: {error}") from error
        time.sleep(1)


def _expire_unfinished(store: Any, bucket: str) -> None:
    """Let the store delete what is left of uploads that broke off; not every store can."""
    from botocore.exceptions import ClientError

    rule = {
        "ID": "unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_DAYS},
    }
    try:
        if _has_rules(store, bucket):
            return
        store.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
        _say(f"unfinished uploads are deleted after {_UNFINISHED_DAYS} days")
    except ClientError as error:
        _say(f"unfinished uploads stay until you delete them: the store takes no such rule ({error})")


def _has_rules(store: Any, bucket: str) -> bool:
    """Whether somebody has set rules; a rule of ours would replace them all."""
    from botocore.exceptions import ClientError

    try:
        return bool(store.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules"))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchLifecycleConfiguration", "NoSuchLifecycle"):
            return False
        raise


class _Progress:
    """Counts objects, and says how many every ten seconds and at the end."""

    def __init__(self, done: str) -> None:
        self.count = 0
        self._bytes = 0
        self._done = done
        self._next = time.monotonic() + SAY_EVERY

    def add(self, size: int) -> None:
        self.count += 1
        self._bytes += size
        if time.monotonic() > self._next:
            self._next = time.monotonic() + SAY_EVERY
            self.end()

    def end(self) -> None:
        _say(f"{self._done} {self.count:,} objects, {self._bytes:,} bytes")


def _say(text: str) -> None:
    # Standard output may be the tar file.
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
