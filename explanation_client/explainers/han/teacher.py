"""What a network learns of a teacher: its answers as targets, a loss, and what its outputs are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from explanation_client.explainers.model import LOG_ODDS, PROBABILITY

Floats = NDArray[np.float64]
Head = Literal["softmax", "sigmoid", "linear"]

_LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """How the teacher's answers are learned.

    Parameters
    ----------
    head : "softmax", "sigmoid" or "linear"
        Classes that add up to 1, classes each by itself, or numbers.
    means, scales : ndarray of float64, shape (C,)
        Numbers are learned less their mean, divided by their scale.

    """

    head: Head
    means: Floats
    scales: Floats

    @classmethod
    def of(cls, answers: Floats, space: str) -> Target:
        """Return the target for answers (N, C) in some space."""
        n_outputs = answers.shape[1]
        if space == PROBABILITY:
            adds_up = n_outputs > 1 and np.allclose(answers.sum(axis=1), 1.0, atol=1e-3)
            return cls("softmax" if adds_up else "sigmoid", np.zeros(n_outputs), np.ones(n_outputs))
        scales = answers.std(axis=0)
        return cls("linear", answers.mean(axis=0), np.where(scales > 0, scales, 1.0))

    @property
    def space(self) -> str | None:
        """What :meth:`worth` gives: log-odds of each class; None for the teacher's own numbers."""
        return None if self.head == "linear" else LOG_ODDS

    def learned(self, answers: Floats) -> Tensor:
        """Return answers as what the outputs are compared with."""
        return torch.tensor((answers - self.means) / self.scales, dtype=torch.float32)

    def linear(self, answers: Floats) -> Floats:
        """Return answers on the scale of the outputs, where effects of words about add up."""
        if self.head == "linear":
            return (answers - self.means) / self.scales
        held = np.clip(answers, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
        if self.head == "sigmoid":
            return np.asarray(np.log(held) - np.log1p(-held))
        return np.asarray(np.log(held) - np.log(held).mean(axis=1, keepdims=True))

    def loss(self, outputs: Tensor, learned: Tensor) -> Tensor:
        """Return the mean loss of outputs (B, C)."""
        if self.head == "softmax":
            return functional.cross_entropy(outputs, learned)
        if self.head == "sigmoid":
            return functional.binary_cross_entropy_with_logits(outputs, learned)
        return functional.mse_loss(outputs, learned)

    def answers(self, outputs: Tensor) -> Floats:
        """Return outputs as answers of the teacher's kind, (B, C)."""
        if self.head == "softmax":
            return np.asarray(outputs.double().softmax(dim=1).numpy())
        if self.head == "sigmoid":
            return np.asarray(outputs.double().sigmoid().numpy())
        return np.asarray(outputs.double().numpy()) * self.scales + self.means

    def worth(self, outputs: Tensor) -> Tensor:
        """Return what values add up to, (B, C): log-odds of each class, or numbers on the scale of the teacher's."""
        if self.head == "linear":
            scales = torch.tensor(self.scales, dtype=outputs.dtype, device=outputs.device)
            return outputs * scales + torch.tensor(self.means, dtype=outputs.dtype, device=outputs.device)
        if self.head == "sigmoid":
            return outputs
        others = [torch.cat([outputs[:, :c], outputs[:, c + 1 :]], dim=1) for c in range(outputs.shape[1])]
        return torch.stack([outputs[:, c] - rest.logsumexp(dim=1) for c, rest in enumerate(others)], dim=1)


def fidelity(answers: Floats, learned: Floats, *, is_classifier: bool) -> float:
    """Return how faithful answers of a surrogate are to the teacher's: share of equal classes, or R²."""
    if is_classifier:
        return float((answers.argmax(axis=1) == learned.argmax(axis=1)).mean())
    return r_squared(answers, learned)


def r_squared(answers: Any, learned: Any) -> float:
    """Return the share of the teacher's variance that a surrogate's answers have, 1 where there is none."""
    spread = float(((learned - learned.mean(axis=0)) ** 2).sum())
    return 1.0 - float(((answers - learned) ** 2).sum()) / spread if spread else 1.0
