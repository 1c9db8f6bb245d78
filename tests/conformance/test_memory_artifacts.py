"""MemoryArtifacts keeps the contract of all stores."""

from __future__ import annotations

import pytest

from explanation_client.artifacts import MemoryArtifacts
from tests.conformance.contract import ArtifactsContract, OpenStore


class TestMemoryArtifacts(ArtifactsContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        store = MemoryArtifacts()
        return lambda: store
