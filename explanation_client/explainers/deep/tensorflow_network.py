"""Models of Keras that TensorFlow computes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.deep.heads import from_scores
from explanation_client.explainers.deep.network import Head, Network

# Rows at a time, and the values that they may hold.
_MAX_ROWS = 1024
_MAX_VALUES = 1 << 18
_HEADS: tuple[Head, ...] = ("softmax", "sigmoid")


class TensorFlowNetwork(Network):
    """A model of Keras with its TensorFlow backend, called with one tensor of rows (N, F).

    Parameters
    ----------
    model : keras.Model
    rows : table of shape (N, F)
        Rows to try it with.

    Raises
    ------
    UnsupportedModelError
        It does not take such rows, or what it returns is no table of numbers.

    """

    packages = ("keras", "tensorflow", "tensorflow-cpu")

    def __init__(self, model: Any, rows: Any) -> None:
        self.model = model
        super().__init__(type(model).__qualname__, np.dtype(model.variable_dtype), rows)

    def _run(self, points: NDArray[Any]) -> tuple[Any, Any, Head]:
        returned = self.model(_tensorflow().constant(points), training=False)
        scores, head = self._behind(returned)
        return _array(returned), _array(scores), head

    def _slopes(self, points: NDArray[Any]) -> tuple[Any, Any]:
        tensorflow = _tensorflow()
        x = tensorflow.constant(points)
        with tensorflow.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(x)
            scores, _ = self._behind(self.model(x, training=False))
            columns = tensorflow.unstack(tensorflow.reshape(scores, (len(points), self.n_columns)), axis=1)
        zeros = tensorflow.UnconnectedGradients.ZERO
        found = [_array(tape.gradient(column, x, unconnected_gradients=zeros)) for column in columns]
        return _array(scores), np.stack(found)

    def _find_limit(self, points: NDArray[Any]) -> int:
        return int(min(_MAX_ROWS, max(1, _MAX_VALUES // points.shape[1])))

    def _behind(self, returned: Any) -> tuple[Any, Head]:
        """Return what goes into the head, and the head: Keras keeps it, so that losses can start from there."""
        scores = getattr(returned, "_keras_logits", None)
        if scores is None:
            return returned, "none"
        if not hasattr(self, "head"):
            outputs = _array(returned)
            for head in _HEADS:
                if np.allclose(from_scores(_array(scores).astype(np.float64), head), outputs, atol=1e-5):
                    return scores, head
            return returned, "none"
        return (returned if self.head == "none" else scores), self.head


def _tensorflow() -> Any:
    """Return the module: whoever has such a model has imported what computes it."""
    return sys.modules["tensorflow"]


def _array(returned: Any) -> Any:
    """Return a tensor as an array, anything else as it is."""
    return returned.numpy() if hasattr(returned, "numpy") else returned
