"""DeepExplainer on models of Keras: the tests of in_keras.py, in one process for each backend that there is."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

TESTS = Path(__file__).with_name("in_keras.py")
# Keras has one backend in a process, chosen before it is imported.
# What Keras' own variables say to numpy.
THEIRS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
BACKENDS = [name for name in ("torch", "tensorflow") if find_spec(name)]


@pytest.mark.skipif(not (BACKENDS and find_spec("keras")), reason="neither PyTorch nor TensorFlow, or no Keras")
@pytest.mark.parametrize("backend", BACKENDS or ["none"])
def test_models_of_keras_are_explained(backend: str) -> None:
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", str(TESTS), "-q", "-p", "no:cacheprovider", "-W", THEIRS],
        env=environment, cwd=TESTS.parents[2], capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
