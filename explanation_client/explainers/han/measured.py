"""How faithful a network is to its teacher: on documents that are held out, and on those that are explained."""

from __future__ import annotations

import warnings

import numpy as np

from explanation_client.explainers.han.encoding import Vocabulary
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target, fidelity, r_squared
from explanation_client.explainers.han.training import Examples, outputs_of
from explanation_client.explainers.han.weights import Trained

_HELD_OUT, _FEWEST_DOCUMENTS = 0.2, 10
# Less than this share of the teacher's classes is warned of.
_FAITHFUL = 0.8


def parted(examples: Examples, seed: int) -> tuple[Examples, Examples]:
    """Return the documents to learn from, and those that are held out: none of fewer than ten."""
    n_documents = len(examples.documents)
    n_held_out = int(_HELD_OUT * n_documents) if n_documents >= _FEWEST_DOCUMENTS else 0
    order = np.random.default_rng(seed).permutation(n_documents)
    held_out, learned = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    return (
        Examples([examples.documents[i] for i in learned], examples.answers[learned]),
        Examples([examples.documents[i] for i in held_out], examples.answers[held_out]),
    )


def measured(
    network: HierarchicalAttention,
    vocabulary: Vocabulary,
    target: Target,
    learned: Examples,
    held_out: Examples,
    *,
    epochs: int,
    is_classifier: bool,
    teacher: str,
) -> Trained:
    """Return a trained network with what is known of its faithfulness; warn where that is little.

    Parameters
    ----------
    network, vocabulary, target
        What was trained, and on what.
    learned, held_out : Examples
    epochs : int
        Epochs that it was trained for.
    is_classifier : bool
    teacher : str
        What to call the teacher.

    """
    worth = target.worth(outputs_of(network, learned.documents)).double().numpy()
    found: tuple[float | None, float | None] = (None, None)
    how = f"surrogate: trained for {epochs} epochs on {len(learned.documents):,} documents"
    if held_out.documents:
        answers = target.answers(outputs_of(network, held_out.documents))
        faithful, fit = (
            fidelity(answers, held_out.answers, is_classifier=is_classifier), r_squared(answers, held_out.answers)
        )  # fmt: skip
        what = f"the model's class for {faithful:.1%}, R² {fit:.2f}" if is_classifier else f"R² {fit:.2f}"
        how += f"; of {len(held_out.documents):,} held-out documents: {what}"
        found = (faithful, fit)
        if faithful < _FAITHFUL:
            warnings.warn(
                f"the network is not faithful to {teacher} ({faithful:.2f} on held-out documents): train it for more "
                "epochs or on more documents, or use TextExplainer, which asks the model itself",
                UserWarning,
                stacklevel=3,
            )
    return Trained(network, vocabulary, target, worth.mean(axis=0), *found, (how,))


def gap_note(gaps: list[tuple[float, float]], target: Target, *, epochs: int, n_copies: int) -> str:
    """Return how far networks are from the teacher on the explained documents, of the gaps before and after tuning."""
    what = "total variation to the model"
    if target.head == "linear":
        what = "distance to the model's answer, in its standard deviations"
    before, after = (float(np.median([gap[i] for gap in gaps])) for i in (0, 1))
    if not epochs:
        return f"surrogate: not tuned; {what} on the documents: median {before:.3f}"
    return (
        f"surrogate: tuned to each document, {epochs} epochs on {n_copies} copies; {what}: median {after:.3f}, before "
        f"{before:.3f}"
    )
