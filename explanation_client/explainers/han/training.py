"""Training a network on a teacher's answers, and tuning it to one document."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explanation_client.explainers.han.encoding import Encoded, batch_of, batches
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target

Floats = NDArray[np.float64]

_BATCH, _READ_BATCH = 32, 128
# Few documents are learned in smaller batches: an epoch has a hundred steps, or batches of eight.
_STEPS, _LEAST_BATCH = 100, 8
_RATE, _TUNING_RATE = 3e-3, 1e-3
_WARM_UP = 0.2
_LONGEST_STEP = 1.0
# Epochs without a smaller loss on the held-out documents after which training stops.
_PATIENCE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Documents with the teacher's answers.

    Parameters
    ----------
    documents : list of Encoded
    answers : ndarray of float64, shape (N, C)

    """

    documents: list[Encoded]
    answers: Floats

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Words of each document."""
        return np.array([document.n_words for document in self.documents], np.intp)


def train(
    network: HierarchicalAttention,
    target: Target,
    examples: Examples,
    held_out: Examples,
    *,
    epochs: int,
    seed: int,
    advance: Callable[[int], None],
) -> int:
    """Train a network, and return the number of epochs; the best of them on the held-out documents counts.

    Without held-out documents the last one does.
    """
    learned = target.learned(examples.answers)
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    size = min(_BATCH, max(_LEAST_BATCH, len(examples.documents) // _STEPS))
    n_steps = epochs * (-(-len(examples.documents) // size) + 1 + len(examples.documents) // (20 * size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=n_steps, pct_start=_WARM_UP)
    rng = np.random.default_rng(seed)
    best: tuple[float, int, dict[str, Tensor]] | None = None
    epoch = 0
    for epoch in range(1, epochs + 1):
        network.train()
        for rows in batches(examples.sizes, size, rng):
            _step(network, optimizer, target, [examples.documents[i] for i in rows], learned[rows])
            schedule.step()
            advance(len(rows))
        if not held_out.documents:
            continue
        loss = _loss(network, target, held_out)
        if best is None or loss < best[0]:
            best = loss, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best[1] >= _PATIENCE:
            break
    if best is not None:
        network.load_state_dict(best[2])
    network.eval()
    return epoch


def tuned(
    network: HierarchicalAttention, target: Target, examples: Examples, *, epochs: int, seed: int
) -> HierarchicalAttention:
    """Return a copy of a network that was trained on to some documents."""
    made = copy.deepcopy(network)
    learned = target.learned(examples.answers)
    optimizer = torch.optim.Adam(made.parameters(), lr=_TUNING_RATE)
    rng = np.random.default_rng(seed)
    # Without dropout: what is wanted is this document, and not what carries over to others. (Not by eval(), in which
    # graphics processors keep nothing of a GRU for the way back.)
    made.train()
    made.drop.p = 0.0
    for _ in range(epochs):
        for rows in batches(examples.sizes, _BATCH, rng):
            _step(made, optimizer, target, [examples.documents[i] for i in rows], learned[rows])
    return made.eval()


def outputs_of(network: HierarchicalAttention, documents: Sequence[Encoded]) -> Tensor:
    """Return the outputs (N, C) of a network that is not in training, on the processor."""
    with torch.no_grad():
        parts = [
            network(batch_of(documents[first : first + _READ_BATCH]))[0].cpu()
            for first in range(0, len(documents), _READ_BATCH)
        ]
    return torch.cat(parts)


@contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Seed PyTorch for what follows, on one thread; both are as they were before afterwards.

    Networks as small as these take longer on several threads than on one.
    """
    threads = torch.get_num_threads()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _step(
    network: HierarchicalAttention,
    optimizer: torch.optim.Optimizer,
    target: Target,
    documents: list[Encoded],
    learned: Tensor,
) -> None:
    outputs = network(batch_of(documents))[0]
    loss = target.loss(outputs, learned.to(outputs.device))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), _LONGEST_STEP)
    optimizer.step()


def _loss(network: HierarchicalAttention, target: Target, examples: Examples) -> float:
    network.eval()
    return float(target.loss(outputs_of(network, examples.documents), target.learned(examples.answers)))
