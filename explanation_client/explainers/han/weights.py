"""Trained networks as files: plain arrays and a JSON header in one .npz, nothing that is executed when it is read."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.han.encoding import Vocabulary
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target

FORMAT, VERSION = "hierarchical-attention", 1
MAX_BYTES = 2 << 30
_HEADS = ("softmax", "sigmoid", "linear")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network and what it needs.

    Parameters
    ----------
    network : HierarchicalAttention
    vocabulary : Vocabulary
    target : Target
    base_values : ndarray of float64, shape (C,)
        What the network answers on average.
    fidelity : float, optional
        How faithful it is on documents that were held out.
    r_squared : float, optional
        The same as the share of the teacher's variance.
    notes : tuple of str
        What was done.

    """

    network: HierarchicalAttention
    vocabulary: Vocabulary
    target: Target
    base_values: Any
    fidelity: float | None
    r_squared: float | None
    notes: tuple[str, ...]


def save_trained(trained: Trained, path: str | Path) -> Path:
    """Write a trained network to a file, and return its path, which ends in ``.npz``."""
    target = Path(path)
    if target.suffix != ".npz":
        target = target.with_name(target.name + ".npz")
    network = trained.network
    header = {
        "format": FORMAT,
        "version": VERSION,
        "words": trained.vocabulary.words,
        "embedding": network.embed.embedding_dim,
        "hidden": network.read_words.hidden_size,
        "head": trained.target.head,
        "means": trained.target.means.tolist(),
        "scales": trained.target.scales.tolist(),
        "base_values": np.asarray(trained.base_values).tolist(),
        "fidelity": trained.fidelity,
        "r_squared": trained.r_squared,
        "notes": trained.notes,
    }
    arrays: dict[str, Any] = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    arrays["header.json"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with target.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return target


def load_trained(path: str | Path) -> Trained:
    """Return the trained network that a file holds.

    Nothing in the file is executed; what it claims is held against what it has before memory is taken.

    Raises
    ------
    InvalidArgumentError
        There is no such file, or it is no trained network of this version.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise InvalidArgumentError(f"{path} unpacks to {size:,} bytes, at most {MAX_BYTES:,} are read")
        with np.load(path, allow_pickle=False) as arrays:
            return _construct({name: arrays[name] for name in arrays.files}, path)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"{path} holds no trained network: {str(error)[:200]}") from error


def _construct(arrays: dict[str, Any], path: Any) -> Trained:
    header = json.loads(bytes(arrays.pop("header.json")))
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise InvalidArgumentError(
            f"{path} has format {str(header.get('format'))[:40]!r}, version {str(header.get('version'))[:40]!r}: "
            f"{FORMAT!r}, version {VERSION} is read"
        )
    vocabulary = Vocabulary(tuple(str(word) for word in header["words"]))
    means, scales, base = (np.array(header[name], np.float64) for name in ("means", "scales", "base_values"))
    # Before anything is allocated: the arrays are here, and must be those of a network of this size.
    embedding, hidden = int(header["embedding"]), int(header["hidden"])
    if arrays["embed.weight"].shape != (len(vocabulary), embedding) or means.ndim != 1:
        raise InvalidArgumentError(f"{path}: its embeddings are of shape {arrays['embed.weight'].shape}")
    if arrays["read_words.weight_hh_l0"].shape != (3 * hidden, hidden) or header["head"] not in _HEADS:
        raise InvalidArgumentError(f"{path}: its states are of shape {arrays['read_words.weight_hh_l0'].shape}")
    if not means.shape == scales.shape == base.shape == arrays["decide.bias"].shape:
        raise InvalidArgumentError(f"{path}: its outputs differ in number")
    network = HierarchicalAttention(len(vocabulary), embedding=embedding, hidden=hidden, n_outputs=len(means))
    network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return Trained(
        network.eval(), vocabulary, Target(header["head"], means, scales), base,
        _number(header["fidelity"]), _number(header["r_squared"]), tuple(str(note) for note in header["notes"]),
    )  # fmt: skip


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
