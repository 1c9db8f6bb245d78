"""Tries a scoring explainer in a process of its own, with little memory and time, before this one believes its files.

Boosters are parsed by compiled code that a crafted file can crash or keep busy. What happens there is seen by the exit
of the process. It gets none of the caller's secrets: the environment is made anew, and the bytes come through a pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
from typing import Any, BinaryIO

from explanation_client import errors
from explanation_client.errors import CorruptFileError, LimitExceededError, StoredDataError
from explanation_client.scoring.description import Bundle, File
from explanation_client.scoring.selftest import NotReproducedError

# What the process may take. Address space, of which compilers and networks reserve far more than they use.
MAX_MEMORY = 16 << 30
MAX_SECONDS = 120
# Files that compiled code parses, that make objects by name, or that say what is to be computed.
_ROLES = ("model", "transformation")
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
         "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR", "KERAS_BACKEND")  # fmt: skip
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
try:
    from explanation_client.scoring.check import main
except ImportError as error:
    said = f"the process that tries models does not find a package that is here ({error}): pass trusted=True"
    sys.exit(print(json.dumps({"error": "MissingDependencyError", "message": said})) or 1)
main()
"""
_HEADER = struct.Struct("<Q")
_SHOWN = 500


def needs_check(files: list[File]) -> bool:
    """Whether there is a model or a transformation: arrays alone are checked without a process of their own."""
    return any(file.role in _ROLES for file in files)


def check_apart(bundle: Bundle, *, seconds: int = MAX_SECONDS, memory: int = MAX_MEMORY) -> None:
    """Raise unless a process of its own loads the scoring explainer and passes its self-test.

    Parameters
    ----------
    bundle : Bundle
    seconds : int
        CPU time that it may take; twice as long by the clock.
    memory : int
        Bytes of address space.

    Raises
    ------
    StoredDataError
        It was refused there, or ended the process.
    LimitExceededError
        It took longer.
    MissingDependencyError
        A package of the model is not installed.

    """
    limits = json.dumps({"seconds": seconds, "memory": memory})
    # Not the current folder, from which somebody's numpy.py might come.
    paths = json.dumps([path for path in sys.path if path])
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CODE, paths, limits],
            input=_framed(bundle),
            capture_output=True,
            timeout=2 * seconds,
            env={**{name: os.environ[name] for name in _KEPT if name in os.environ}, **_ONE_THREAD},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LimitExceededError(
            f"a file of the scoring explainer keeps its reader busy: gave up after {2 * seconds} s"
        ) from error
    if done.returncode == 0 and done.stdout.endswith(b"sound\n"):
        return
    raise _failure(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """Load the scoring explainer that comes through the standard input; say what is wrong with it, or nothing."""
    limits = json.loads(sys.argv[2])
    _limit(**limits)
    from explanation_client.scoring.unpack import unpack

    # What packages print is none of the answer.
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with contextlib.redirect_stdout(sys.stderr):
        try:
            unpack(_unframed(sys.stdin.buffer))
            said = "sound"
        except errors.ExplanationError as error:
            said = json.dumps({"error": type(error).__name__, "message": str(error)})
        except MemoryError:
            said = json.dumps({"error": "LimitExceededError", "message": "it takes more memory than it may"})
    answer.write(said.encode() + b"\n")
    answer.flush()
    # Not by way of the interpreter's end: compiled code that was led astray may not survive it, and need not.
    os._exit(0 if said == "sound" else 1)


def _limit(*, seconds: int, memory: int) -> None:
    try:
        import resource
    except ImportError:
        # Windows has no such limits; the clock is kept by the caller.
        return
    # A second between the signal that says why, SIGXCPU, and the one that says nothing.
    wanted = (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CORE, 0, 0),
    )
    for kind, soft, hard in wanted:
        most = resource.getrlimit(kind)[1]
        kept = (soft, hard) if most == resource.RLIM_INFINITY else (min(soft, most), min(hard, most))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, kept)


def _framed(bundle: Bundle) -> bytes:
    """Return a scoring explainer as one stream: the lengths of its parts, then the parts."""
    parts = [bundle.description, *bundle.files.values()]
    header = json.dumps({"files": list(bundle.files), "sizes": [len(part) for part in parts]}).encode()
    return b"".join([_HEADER.pack(len(header)), header, *parts])


def _unframed(stream: BinaryIO) -> Bundle:
    header = json.loads(stream.read(_HEADER.unpack(stream.read(_HEADER.size))[0]))
    description, *files = [stream.read(size) for size in header["sizes"]]
    return Bundle(description, dict(zip(header["files"], files, strict=True)))


def _failure(code: int, output: bytes, stderr: bytes) -> Exception:
    """Return the error that a process ended with."""
    said = _last_line(output)
    if said is not None:
        return _said(str(said.get("error")), str(said.get("message")))
    if -code == getattr(signal, "SIGXCPU", None):
        return LimitExceededError("a file of the scoring explainer keeps its reader busy for longer than it may")
    if code < 0:
        return CorruptFileError(f"a file of the scoring explainer ended the process that tried it (signal {-code})")
    tail = stderr.decode("utf-8", "replace").strip()[-_SHOWN:]
    return CorruptFileError(f"a file of the scoring explainer ended the process that tried it (exit {code}): {tail}")


def _said(name: str, message: str) -> Exception:
    known = NotReproducedError if name == NotReproducedError.__name__ else getattr(errors, name, StoredDataError)
    kind: type[Exception] = known
    if issubclass(kind, errors.MissingDependencyError):
        # Its constructor takes the parts of the message.
        missing = kind.__new__(kind)
        missing.args = (message,)
        return missing
    return kind(message) if issubclass(kind, StoredDataError) else StoredDataError(message)


def _last_line(output: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(output.strip().rpartition(b"\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
