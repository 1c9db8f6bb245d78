"""Every error that this library raises on purpose.

::

    ExplanationError
    ├── InvalidExplanationError (ValueError)      the caller's values do not fit together
    ├── InvalidArgumentError (ValueError)         one argument is out of its range
    │   └── FeatureMapError                       transformations mix columns, or are random
    ├── UnsupportedModelError (TypeError)         no explainer, or not this one, explains the model
    │   └── CannotExplainError                    one that is listed for the model does not explain it after all
    │       └── AdditivityError                   its values do not add up to the model's own output
    ├── MissingDependencyError (ImportError)      an extra is not installed
    ├── PartMissingError (AttributeError)         the explanation was made or stored without that part
    ├── ExplanationNotFoundError (LookupError)    the run has no such explanation
    ├── RunNotFoundError (LookupError)            the tracking server has no such run (or experiment, or model)
    ├── StoredDataError                           what was read back is not what an upload wrote
    │   ├── CorruptFileError                      size or digest differ
    │   ├── InvalidManifestError                  the manifest says things that cannot be
    │   ├── FormatVersionError                    written by a newer, incompatible version
    │   └── LimitExceededError                    larger than the reader was told to accept
    ├── StorageError (OSError)                    the store or the network failed
    │   ├── ArtifactMissingError (FileNotFoundError)
    │   ├── StoragePermissionError (PermissionError)
    │   ├── StorageFullError
    │   ├── StorageUnreachableError (ConnectionError)
    │   └── StorageTimeoutError (TimeoutError)
    └── UploadError                               the upload gave up; says where the spool is

Each message names the value, the reason and the way out. Where a builtin error says the same thing the class
inherits from it as well, so that ``except ValueError`` or ``except ConnectionError`` do what a reader expects.
"""

from __future__ import annotations

from typing import Any


class ExplanationError(Exception):
    """Base of all errors of this library."""


class InvalidExplanationError(ExplanationError, ValueError):
    """The parts of an explanation do not fit together, or hold NaN or infinity."""


class InvalidArgumentError(ExplanationError, ValueError):
    """An argument is out of its range."""


class FeatureMapError(InvalidArgumentError):
    """It cannot be told which raw columns engineered ones come from: transformations mix them, or are random."""


class UnsupportedModelError(ExplanationError, TypeError):
    """The model, or its data, cannot be explained by this explainer."""


class CannotExplainError(UnsupportedModelError):
    """An explainer that is listed for a model does not explain it after all; the message says why."""


class AdditivityError(CannotExplainError):
    """The values of an explainer do not add up to the model's own output, so that it does not explain the model."""


class MissingDependencyError(ExplanationError, ImportError):
    """A package of an extra is needed and not installed."""

    def __init__(self, package: str, *, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package {package!r}, which is not installed: "
            f"pip install 'explanation-client[{extra}]'"
        )
        self._made_of = (package, extra, needed_for)

    def __reduce__(self) -> tuple[Any, ...]:
        return _missing_dependency, self._made_of


def _missing_dependency(package: str, extra: str, needed_for: str) -> MissingDependencyError:
    return MissingDependencyError(package, extra=extra, needed_for=needed_for)


class PartMissingError(ExplanationError, AttributeError):
    """The explanation does not have the part that was asked for.

    An ``AttributeError`` too, so that ``hasattr(explanation, "local_importance_values")`` answers whether it can be
    read.
    """


class ExplanationNotFoundError(ExplanationError, LookupError):
    """No explanation matches what was asked for."""


class RunNotFoundError(ExplanationError, LookupError):
    """The tracking server does not know the run, experiment or model."""


class StoredDataError(ExplanationError):
    """Stored data is damaged, or not of this format."""


class CorruptFileError(StoredDataError):
    """A stored file differs from what the manifest says of it."""


class InvalidManifestError(StoredDataError):
    """A manifest contradicts itself or the format; lists every problem found."""


class FormatVersionError(StoredDataError):
    """The data was written in a newer version of the format."""


class LimitExceededError(StoredDataError):
    """The data is larger than the reader accepts."""


class StorageError(ExplanationError, OSError):
    """The artifact store or the tracking server failed."""


class ArtifactMissingError(StorageError, FileNotFoundError):
    """The store answered, and there is no such file."""


class StoragePermissionError(StorageError, PermissionError):
    """The store or the tracking server refused the caller."""


class StorageFullError(StorageError):
    """The store has no room, or accepts no file of this size."""


class StorageUnreachableError(StorageError, ConnectionError):
    """The store or the tracking server could not be reached, or broke off."""

    retry_after: float | None = None
    """Seconds after which the server asked to be tried again, where it said so."""


class StorageTimeoutError(StorageError, TimeoutError):
    """The deadline passed before the store answered."""


class UploadError(ExplanationError):
    """An upload gave up. Nothing of it is listed; ``spool`` is the folder from which ``resume`` finishes it."""

    def __init__(self, message: str, *, spool: str | None = None) -> None:
        super().__init__(message)
        self.spool = spool

    def __reduce__(self) -> tuple[Any, ...]:
        return _upload_error, (str(self), self.spool)


def _upload_error(message: str, spool: str | None) -> UploadError:
    return UploadError(message, spool=spool)
