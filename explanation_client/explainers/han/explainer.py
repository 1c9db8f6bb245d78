"""HANTextExplainer: a hierarchical attention network learns what a model answers, and is explained in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.han.embeddings import first_embeddings, no_vectors, read_vectors
from explanation_client.explainers.han.encoding import Vocabulary
from explanation_client.explainers.han.importance import Reading, read_document
from explanation_client.explainers.han.measured import gap_note, measured, parted
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target
from explanation_client.explainers.han.training import Examples, outputs_of, train, tuned, undisturbed
from explanation_client.explainers.han.weights import Trained, load_trained, save_trained
from explanation_client.explainers.model import class_names
from explanation_client.explainers.notes import with_notes
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.text.common import Predictions, reader_for, sampled, text_info
from explanation_client.explainers.text.inputs import Texts, read_texts
from explanation_client.explainers.text.model import Answers, read_document_model
from explanation_client.explainers.text.removal import shared_out
from explanation_client.explainers.text.result import Collected
from explanation_client.explainers.text.words import Words
from explanation_client.explanation import Explanation
from explanation_client.progress import progress_bar

Floats = NDArray[np.float64]

# Copies of a document that a network is tuned on, and the largest share of its words that one lacks.
_COPIES, _MOST_REMOVED = 200, 0.75


class HANTextExplainer:
    """Trains a hierarchical attention network on a model's answers to documents, and explains the network.

    The network (Yang et al. 2016) reads words and then sentences with bidirectional GRUs, and attends to some more than
    to others. It learns the model's answers to the initialization examples; a fifth of these is held out to see how
    often both say the same, which is among the notes of each explanation, and under 0.8 there is a warning. For one
    document it is tuned to the model's answers to copies of it that lack some words.

    Values of words are the network's integrated gradients, with a sign and for each class. They add up, from the
    network's mean answer as base value, to what the *network* says. Attention has no sign and is the same for all
    classes: it is kept beside the values, as the weights of words and sentences in ``explanation.documents``.

    Parameters
    ----------
    model : object
        A model of documents: see :class:`~explanation_client.explainers.text.TextExplainer`.
    initialization_examples : sequence of str
        Documents to learn from, a few thousand for example.
    is_function : bool
        ``model`` is to be called, also where it has ``predict``.
    preprocessor : object with ``transform``, or function, optional
        What makes of documents what the model takes.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    model_task : "classification", "regression" or "unknown"
        Needed only for models that do not tell.
    token_pattern : str, optional
        A regular expression that matches a word.
    hidden_size : int
        Numbers in the network's states, in each direction.
    device : str
        Where the network computes: ``"auto"`` is a graphics processor where there is one.
    call_size : int
        Documents in one call of the model.
    seed : int
        The same seed gives the same values on the same machine. Global generators are left as they were found.
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    Attributes
    ----------
    fidelity : float or None
        Share of held-out documents to which network and model answer with the same class; R² of a regression. None
        before training, and where there were fewer than ten examples.

    Raises
    ------
    UnsupportedModelError
        The model takes tables, or is no model.
    InvalidArgumentError
        An argument is out of its range, or does not fit the model.

    """

    method = "han"

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        *,
        is_function: bool = False,
        preprocessor: Any = None,
        classes: Sequence[str] | None = None,
        model_task: str = "unknown",
        token_pattern: str | None = None,
        hidden_size: int = 32,
        device: str = "auto",
        call_size: int = 256,
        seed: int = 0,
        show_progress: bool | None = None,
    ) -> None:
        for name, value in (("hidden_size", hidden_size), ("call_size", call_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidArgumentError(f"{name}={value!r}: at least 1")
        self._model = read_document_model(
            model, preprocessor=preprocessor, classes=classes, model_task=model_task, is_function=is_function
        )
        self._outputs = self._model.outputs
        self._examples = read_texts(initialization_examples, what="initialization examples").texts
        self._reader = reader_for(self._model, preprocessor, token_pattern)
        self._answers = Answers(self._model.answer, call_size)
        self._hidden_size = hidden_size
        self._device = _device(device)
        self._seed = seed
        self._show_progress = show_progress
        self._trained: Trained | None = None

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._model.given

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the outputs, None for a regression."""
        return self._outputs if self._model.task == "classification" else None

    @property
    def fidelity(self) -> float | None:
        """How faithful the network is on documents that were held out; None before it was trained."""
        return None if self._trained is None else self._trained.fidelity

    # --- Training ------------------------------------------------------------------------------------------------

    def train_model(
        self,
        classes: Sequence[str] | None = None,
        word_embedding_path: str | Path | None = None,
        train_epochs: int = 3,
    ) -> HANTextExplainer:
        """Train the network on the model's answers to the initialization examples, and return this explainer.

        Training stops early where two epochs in a row do no better on the held-out documents; the best epoch counts.

        Parameters
        ----------
        classes : sequence of str, optional
            Names of the classes from now on.
        word_embedding_path : str or Path, optional
            A text file of word vectors, as GloVe's, to begin with. Nothing is ever downloaded.
        train_epochs : int

        Raises
        ------
        InvalidArgumentError
            ``train_epochs`` is no positive number, the file can't be read, or ``classes`` does not fit the model.

        """
        if isinstance(train_epochs, bool) or not isinstance(train_epochs, int) or train_epochs < 1:
            raise InvalidArgumentError(f"train_epochs={train_epochs!r}: at least 1")
        self._outputs = self._named(classes)
        answers = self._answers(self._examples)
        read = [self._reader.read(text) for text in self._examples]
        vocabulary = Vocabulary.of(read)
        vectors = (
            no_vectors(vocabulary) if word_embedding_path is None else read_vectors(word_embedding_path, vocabulary)
        )
        documents = [vocabulary.encode(words) for words in read]
        learned, held_out = parted(Examples(documents, answers), self._seed)
        target = Target.of(answers, self._model.own_space)
        total = train_epochs * len(learned.documents)
        with (
            undisturbed(self._seed),
            progress_bar("Training (han)", total=total, unit="document", show=self._show_progress) as advance,
        ):
            start = first_embeddings(
                vocabulary,
                learned.documents,
                target.linear(learned.answers),
                vectors,
                np.random.default_rng(self._seed),
            )
            network = HierarchicalAttention(
                len(vocabulary), embedding=start.shape[1], hidden=self._hidden_size, n_outputs=answers.shape[1]
            )
            with torch.no_grad():
                network.embed.weight.copy_(torch.tensor(start))
            network.to(self._device)
            epochs = train(network, target, learned, held_out, epochs=train_epochs, seed=self._seed, advance=advance)
            self._trained = measured(
                network, vocabulary, target, learned, held_out, epochs=epochs,
                is_classifier=self._model.task == "classification", teacher=self._model.short_name,
            )  # fmt: skip
        return self

    def save_weights(self, path: str | Path) -> Path:
        """Write the trained network to a file that holds arrays and nothing that is executed, and return its path.

        Words of the initialization examples are in it.

        Raises
        ------
        InvalidArgumentError
            The network has not been trained.

        """
        if self._trained is None:
            raise InvalidArgumentError("the network has not been trained: call train_model() first")
        return save_trained(self._trained, path)

    def load_weights(self, path: str | Path) -> HANTextExplainer:
        """Use a network that was saved, in place of training one, and return this explainer.

        Raises
        ------
        InvalidArgumentError
            The file holds no such network, or one with another number of outputs.

        """
        trained = load_trained(path)
        if len(trained.base_values) != len(self._model.outputs):
            raise InvalidArgumentError(
                f"{path} holds a network with {len(trained.base_values)} outputs, the model has "
                f"{len(self._model.outputs)}"
            )
        trained.network.to(self._device)
        self._trained = trained
        return self

    # --- Explaining ------------------------------------------------------------------------------------------------

    def explain_local(
        self, evaluation_examples: Any, classes: Sequence[str] | None = None, tune_epochs: int = 5
    ) -> Explanation:
        """Return the importances of the words of each document; trains the network first where it is not yet.

        Parameters
        ----------
        evaluation_examples : str, or sequence of str
            One document or many. The explanation of a single string has no row axis.
        classes : sequence of str, optional
            Names of the classes in this explanation.
        tune_epochs : int
            Epochs of tuning to each document, on 200 copies of it to which the model answers: one to two seconds
            for each document. 0 takes the network as it is.

        Raises
        ------
        InvalidArgumentError
            These are no documents, none of them has a word, or an argument is out of its range.

        """
        texts = read_texts(evaluation_examples)
        return self._explain(texts, classes, tune_epochs, keep_global=False, keep_local=True)

    def explain_global(
        self,
        evaluation_examples: Any = None,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        *,
        classes: Sequence[str] | None = None,
        tune_epochs: int = 0,
    ) -> Explanation:
        """Return the importances over all documents: the mean of a word's absolute importance in each.

        Parameters
        ----------
        evaluation_examples : sequence of str, optional
            None: the initialization examples.
        sampling_policy : SamplingPolicy, optional
            Which of the documents are explained, if not all; only ``sampling_method="random"``.
        include_local : bool
            Keep the documents and the importances of their words.
        classes : sequence of str, optional
            Names of the classes in this explanation.
        tune_epochs : int
            As of :meth:`explain_local`; none by default, since there are many documents.

        Raises
        ------
        InvalidArgumentError
            As of :meth:`explain_local`; or the policy clusters rows of numbers.

        """
        given = self._examples if evaluation_examples is None else evaluation_examples
        texts, notes = sampled(read_texts(given), sampling_policy)
        made = self._explain(texts, classes, tune_epochs, keep_global=True, keep_local=include_local)
        return with_notes(made, notes) if notes else made

    # --- Inside ------------------------------------------------------------------------------------------------

    def _explain(
        self, texts: Texts, classes: Sequence[str] | None, tune_epochs: int, *, keep_global: bool, keep_local: bool
    ) -> Explanation:
        if isinstance(tune_epochs, bool) or not isinstance(tune_epochs, int) or tune_epochs < 0:
            raise InvalidArgumentError(f"tune_epochs={tune_epochs!r}: 0, or more")
        outputs = self._named(classes)
        if self._trained is None:
            self.train_model()
        trained = self._trained
        assert trained is not None
        collected = Collected(len(outputs), keep_global=keep_global, keep_local=keep_local)
        predictions = Predictions(self._model, keep_local)
        gaps: list[tuple[float, float]] = []
        with (
            undisturbed(self._seed),
            progress_bar("Explaining (han)", total=len(texts), unit="document", show=self._show_progress) as advance,
        ):
            for text in texts.texts:
                words = self._reader.read(text)
                reading, gap = self._read(trained, words, tune_epochs)
                values = reading.values
                if len(words):
                    values = shared_out(values, reading.worth - trained.base_values)
                collected.add(words, values, reading.attention, reading.sentence_attention)
                predictions.add([text], self._answers)
                gaps.append(gap)
                advance(1)
        info = text_info(
            self._model, method=self.method, outputs=outputs, n_features=len(collected.features), texts=texts,
            output_space=trained.target.space or self._model.own_space,
            reason="a surrogate, a hierarchical attention network, was asked for",
            notes=(*trained.notes, gap_note(gaps, trained.target, epochs=tune_epochs, n_copies=_COPIES)),
            packages=("torch",),
        )  # fmt: skip
        return collected.explanation(info, trained.base_values, predictions.data(texts))

    def _read(self, trained: Trained, words: Words, epochs: int) -> tuple[Reading, tuple[float, float]]:
        """Return how the network, tuned if so wanted, reads a document, and its gap to the model before and after."""
        document = trained.vocabulary.encode(words)
        network, n_sentences = trained.network, len(words.sentences()[0])
        wanted = self._answers([words.text])[0] / trained.target.scales
        before = trained.target.answers(outputs_of(network, [document]))[0] / trained.target.scales
        if epochs and len(words) > 1:
            network = self._tuned(trained, words, epochs)
        reading = read_document(network, trained.target, document, n_words=len(words), n_sentences=n_sentences)
        after = reading.answers / trained.target.scales
        half = 1.0 if trained.target.head == "linear" else 0.5
        return reading, (half * float(np.abs(before - wanted).sum()), half * float(np.abs(after - wanted).sum()))

    def _tuned(self, trained: Trained, words: Words, epochs: int) -> HierarchicalAttention:
        rng = np.random.default_rng([self._seed, len(words), len(words.names)])
        kept = rng.random((_COPIES, len(words))) >= _MOST_REMOVED * rng.random((_COPIES, 1))
        copies = [words.text, *words.copies(kept)]
        documents = [trained.vocabulary.encode(self._reader.read(copy)) for copy in copies]
        examples = Examples(documents, self._answers(copies))
        return tuned(trained.network, trained.target, examples, epochs=epochs, seed=self._seed)

    def _named(self, classes: Sequence[str] | None) -> tuple[str, ...]:
        if classes is None:
            return self._outputs
        if self._model.task == "regression":
            raise InvalidArgumentError(f"classes= was given, and {self._model.short_name} is a regression model")
        return class_names(list(self._model.outputs), classes)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise InvalidArgumentError(f"device={name!r}: 'auto', or a device of PyTorch: {error}") from error
