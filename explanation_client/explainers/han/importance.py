"""What the words of a document contribute to a network's output, and what the network attends to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explanation_client.explainers.han.encoding import Batch, Encoded, batch_of
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target

Floats = NDArray[np.float64]

# Points on the way from no words to the document at which slopes are taken. Twice as many found no better words.
_POINTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a network reads one document of t words and s sentences.

    Parameters
    ----------
    answers : ndarray of float64, shape (C,)
        What the network answers, as the teacher does.
    worth : ndarray of float64, shape (C,)
        The same as what values add up to.
    values : ndarray of float64, shape (t, C)
        Integrated gradients of that.
    attention : ndarray of float64, shape (t,)
        Attention to each word, times that to its sentence; adds up to 1.
    sentence_attention : ndarray of float64, shape (s,)

    """

    answers: Floats
    worth: Floats
    values: Floats
    attention: Floats
    sentence_attention: Floats


def read_document(
    network: HierarchicalAttention, target: Target, document: Encoded, *, n_words: int, n_sentences: int
) -> Reading:
    """Return how a network that is not in training reads a document.

    Values are slopes times embeddings, averaged on the way from embeddings of zeros (integrated gradients;
    Sundararajan, Taly and Yan 2017). Words after those that the network reads have no part in it.

    Parameters
    ----------
    network : HierarchicalAttention
    target : Target
    document : Encoded
    n_words, n_sentences : int
        t and s of the whole document.

    """
    batch = batch_of([document])
    # Graphics processors keep nothing for the way back of a GRU that is not in training, unless by the plain way.
    with torch.backends.cudnn.flags(enabled=False):
        with torch.no_grad():
            outputs, word_weights, sentence_weights = network(batch)
        slopes = _mean_slopes(network, target, batch)
    attention = _joined(document, (word_weights * sentence_weights[0][:, None]).cpu().double().numpy()[..., None])[:, 0]
    by_sentence = np.zeros(n_sentences)
    if n_sentences:
        np.add.at(by_sentence, document.sentences, sentence_weights[0].cpu().double().numpy())
    values = _joined(document, slopes)
    return Reading(
        answers=target.answers(outputs.cpu())[0],
        worth=target.worth(outputs.cpu()).double().numpy()[0],
        values=_filled(values, n_words),
        attention=_filled(attention, n_words),
        sentence_attention=by_sentence,
    )


def _mean_slopes(network: HierarchicalAttention, target: Target, batch: Batch) -> Floats:
    """Return the mean slopes along the way, times embeddings, (S, W, C)."""
    points, weights = np.polynomial.legendre.leggauss(_POINTS)
    whole = network.embeddings(batch).detach()
    n_sentences = len(whole)
    places = torch.tensor((points + 1) / 2, dtype=whole.dtype, device=whole.device)
    copies = (places[:, None, None, None] * whole).reshape(-1, *whole.shape[1:]).requires_grad_()
    many = Batch(np.tile(batch.ids, (_POINTS, 1)), np.tile(batch.n_words, _POINTS), np.tile(batch.n_sentences, _POINTS))
    worth = target.worth(network.from_embeddings(copies, many)[0])
    shares = torch.tensor(weights / 2, dtype=whole.dtype, device=whole.device)
    columns: list[Any] = []
    for output in range(worth.shape[1]):
        (slope,) = torch.autograd.grad(worth[:, output] @ shares, copies, retain_graph=True)
        columns.append((slope.reshape(_POINTS, n_sentences, *whole.shape[1:]).sum(dim=0) * whole).sum(dim=-1))
    stacked: Tensor = torch.stack(columns, dim=-1)
    return np.asarray(stacked.cpu().double().numpy())


def _joined(document: Encoded, padded: Floats) -> Floats:
    """Return what is known of padded words (S, W, k) for the words that are there, in order, (t, k)."""
    return np.concatenate([line[: len(part)] for line, part in zip(padded, document.ids, strict=True)])


def _filled(known: Floats, n_words: int) -> Floats:
    whole = np.zeros((n_words, *known.shape[1:]))
    whole[: len(known)] = known
    return whole
