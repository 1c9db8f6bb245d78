"""Where the files of explanations lie: four operations on whole files, the same over every store.

``MemoryArtifacts`` keeps them in a dictionary, ``FolderArtifacts`` in a folder, ``RunArtifacts`` among the artifacts of
an MLflow run, in whatever store the run has. None of them knows what a file holds, retries, or caches.
"""

from explanation_client.artifacts.base import Artifacts, Buffer, LeavesTemporaries, Stat, byte_view, check_path
from explanation_client.artifacts.failures import is_retryable, retry_after
from explanation_client.artifacts.folder import FolderArtifacts
from explanation_client.artifacts.memory import MemoryArtifacts
from explanation_client.artifacts.run import RunArtifacts

__all__ = [
    "Artifacts",
    "Buffer",
    "FolderArtifacts",
    "LeavesTemporaries",
    "MemoryArtifacts",
    "RunArtifacts",
    "Stat",
    "byte_view",
    "check_path",
    "is_retryable",
    "retry_after",
]
