"""Where the embeddings of words begin: what the teacher makes of each word, and vectors from a file of GloVe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.han.encoding import PADDING, UNKNOWN, Encoded, Vocabulary

Floats = NDArray[np.float64]

# Standard deviation of what embeddings begin with: states of a GRU neither drown in it nor saturate.
_SCALE, _NOISE = 0.5, 0.1
_RIDGE = 0.3
# Numbers of an embedding that say what the teacher makes of a word; of more outputs their main directions.
MAX_EFFECTS = 32
RANDOM_NUMBERS = 64
# A line of a file of vectors is shorter than this; anything else is no such file.
_LONGEST_LINE = 100_000


def first_embeddings(
    vocabulary: Vocabulary, documents: Sequence[Encoded], answers: Floats, vectors: Floats, rng: np.random.Generator
) -> Floats:
    """Return embeddings (V, E) to begin with: the effects of words, then their vectors.

    The effects are those of a ridge regression of the teacher's answers on the tf-idf weights of words. With them a
    network begins near the best linear model of the teacher, in place of nowhere.

    Parameters
    ----------
    vocabulary : Vocabulary
    documents : sequence of Encoded
    answers : ndarray of float64, shape (N, C)
        On a scale on which effects of words about add up.
    vectors : ndarray of float64, shape (V, D)
        NaN where a word has none.
    rng : numpy.random.Generator

    """
    effects = _effects(vocabulary, documents, answers)
    spread = float(effects[UNKNOWN + 1 :].std()) if len(vocabulary) > UNKNOWN + 1 else 0.0
    known = vectors[~np.isnan(vectors).any(axis=1)]
    noise = rng.normal(0.0, _NOISE, vectors.shape)
    scaled = vectors * (_SCALE / float(known.std())) if known.size and known.std() > 0 else vectors
    made = np.hstack([effects * (_SCALE / spread if spread else 0.0), np.where(np.isnan(scaled), noise, scaled)])
    made[PADDING] = 0.0
    return made


def no_vectors(vocabulary: Vocabulary, dimensions: int = RANDOM_NUMBERS) -> Floats:
    """Return vectors of which none is known, (V, D)."""
    return np.full((len(vocabulary), dimensions), np.nan)


def read_vectors(path: str | Path, vocabulary: Vocabulary) -> Floats:
    """Return the vectors of a vocabulary from a text file as GloVe's: a word and its numbers in each line, (V, D).

    NaN where the file does not have a word. A first line of two whole numbers, as word2vec and fastText write it, is
    passed over.

    Raises
    ------
    InvalidArgumentError
        There is no such file, or a line is not a word and as many numbers as the others have.

    """
    wanted = {word: i for i, word in enumerate(vocabulary.words, start=UNKNOWN + 1)}
    found: dict[int, list[str]] = {}
    size = 0
    try:
        with Path(path).open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_LINE), ""), start=1):
                fields = line.rstrip().split(" ")
                if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                    continue
                size = size or len(fields) - 1
                # Some words of the large files have spaces: the numbers are what comes last.
                place = wanted.get(" ".join(fields[:-size]).lower()) if size > 0 else None
                if size < 1 or len(fields) <= size:
                    raise InvalidArgumentError(f"{path}: line {number} has {len(fields) - 1} numbers, expected {size}")
                if place is not None and place not in found:
                    found[place] = fields[-size:]
    except OSError as error:
        raise InvalidArgumentError(f"word_embedding_path={str(path)!r} can't be read: {error}") from error
    if not size:
        raise InvalidArgumentError(f"{path} has no vectors")
    vectors = no_vectors(vocabulary, size)
    for place, fields in found.items():
        vectors[place] = _numbers(fields, path)
    return vectors


def _numbers(fields: list[str], path: Any) -> Floats:
    try:
        numbers = np.array(fields, np.float64)
    except ValueError as error:
        raise InvalidArgumentError(f"{path}: {' '.join(fields)[:80]!r} are no numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise InvalidArgumentError(f"{path}: {' '.join(fields)[:80]!r} are not all finite")
    return numbers


def _effects(vocabulary: Vocabulary, documents: Sequence[Encoded], answers: Floats) -> Floats:
    """Return what each word changes in a linear model of the answers, (V, C), or (V, 32) of more outputs."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import Ridge

    ids = [np.concatenate(document.ids) for document in documents]
    ends = np.cumsum([0, *(len(words) for words in ids)])
    joined = np.concatenate(ids)
    counts = csr_matrix((np.ones(len(joined)), joined, ends), shape=(len(documents), len(vocabulary)))
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    effects = np.atleast_2d(Ridge(alpha=_RIDGE, solver="lsqr").fit(weights, answers).coef_).T
    effects[UNKNOWN] = 0.0
    if effects.shape[1] > MAX_EFFECTS:
        left, sizes, _ = np.linalg.svd(effects, full_matrices=False)
        effects = (left * sizes)[:, :MAX_EFFECTS]
    return np.asarray(effects)
