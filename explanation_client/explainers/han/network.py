"""The hierarchical attention network of Yang et al. (2016): words make up sentences, sentences make up the document.

Each level is a bidirectional GRU whose states are averaged with weights that a small network gives them, the attention.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from explanation_client.explainers.han.encoding import PADDING, Batch

_DROPOUT = 0.3


class Attention(nn.Module):
    """Weights over the states of a sequence, and their weighted sum.

    Parameters
    ----------
    width : int
        Length of a state.

    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width)
        self.context = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return sums (n, width) and weights (n, length) of states (n, length, width), of which some are there."""
        scores = self.context(torch.tanh(self.project(states))).squeeze(-1)
        weights = scores.masked_fill(~there, -torch.inf).softmax(dim=1)
        return (weights.unsqueeze(-1) * states).sum(dim=1), weights


class HierarchicalAttention(nn.Module):
    """Documents to outputs.

    Parameters
    ----------
    n_words : int
        Length of the vocabulary.
    embedding : int
        Numbers that stand for a word.
    hidden : int
        Numbers in each direction of the states.
    n_outputs : int

    """

    def __init__(self, n_words: int, *, embedding: int, hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_words, embedding, padding_idx=PADDING)
        self.read_words = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.attend_words = Attention(2 * hidden)
        self.read_sentences = nn.GRU(2 * hidden, hidden, batch_first=True, bidirectional=True)
        self.attend_sentences = Attention(2 * hidden)
        self.decide = nn.Linear(2 * hidden, n_outputs)
        self.drop = nn.Dropout(_DROPOUT)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return outputs (B, C), and the attention to words (S, W) and to sentences (B, M)."""
        return self.from_embeddings(self.embeddings(batch), batch)

    def embeddings(self, batch: Batch) -> Tensor:
        """Return what stands for the words of a batch, (S, W, E)."""
        return cast(Tensor, self.embed(torch.from_numpy(batch.ids).to(self.embed.weight.device)))

    def from_embeddings(self, embedded: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return what :meth:`forward` does, from what stands for the words."""
        n_words, n_sentences = torch.from_numpy(batch.n_words), torch.from_numpy(batch.n_sentences)
        states = _run(self.read_words, self.drop(embedded), n_words)
        sentences, word_weights = self.attend_words(states, _there(n_words, states))
        there = torch.arange(int(n_sentences.max()))[None, :] < n_sentences[:, None]
        documents = sentences.new_zeros((*there.shape, sentences.shape[1]))
        documents[there.to(sentences.device)] = sentences
        states = _run(self.read_sentences, self.drop(documents), n_sentences)
        document, sentence_weights = self.attend_sentences(states, _there(n_sentences, states))
        return self.decide(self.drop(document)), word_weights, sentence_weights


def _run(gru: nn.GRU, sequences: Tensor, lengths: Tensor) -> Tensor:
    """Return the states (n, length, width) of sequences, each of which is read to its own end only."""
    packed = pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(gru(packed)[0], batch_first=True, total_length=sequences.shape[1])
    return states


def _there(lengths: Tensor, states: Tensor) -> Tensor:
    return torch.arange(states.shape[1], device=states.device)[None, :] < lengths.to(states.device)[:, None]
