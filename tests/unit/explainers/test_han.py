"""HANTextExplainer on a corpus that takes a second to learn."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import HANTextExplainer
from explanation_client.explainers.han.embeddings import read_vectors
from explanation_client.explainers.han.encoding import MAX_SENTENCES, MAX_WORDS, Vocabulary, batch_of, batches
from explanation_client.explainers.han.network import HierarchicalAttention
from explanation_client.explainers.han.teacher import Target
from explanation_client.explainers.text.words import WordReader

WORDS = ("good", "bad", "film", "plot", "the", "and", "fine", "day")


def corpus(n: int) -> list[str]:
    """Return documents of two sentences of random words."""
    rng = np.random.default_rng(0)
    return [". ".join(" ".join(rng.choice(WORDS, 4)) for _ in range(2)) for _ in range(n)]


def teacher(texts: list[str]) -> np.ndarray:
    """Return probabilities of two classes, from how often two words occur."""
    scores = np.array([1.5 * (text.count("good") - text.count("bad")) + 0.75 for text in texts])
    second = 1.0 / (1.0 + np.exp(-scores))
    return np.column_stack([1.0 - second, second])


@pytest.fixture(scope="module")
def trained() -> HANTextExplainer:
    return HANTextExplainer(teacher, corpus(160), hidden_size=8, classes=["no", "yes"]).train_model(train_epochs=10)


def test_it_learns_what_the_model_answers(trained: HANTextExplainer) -> None:
    assert trained.fidelity is not None
    assert trained.fidelity >= 0.9
    explanation = trained.explain_global(corpus(20))
    assert set(explanation.get_ranked_global_names(2)) == {"good", "bad"}
    assert explanation.method == "han"
    assert explanation.classes == ("no", "yes")
    assert explanation.info.output_space == "log-odds"
    assert "of 32 held-out documents" in explanation.info.notes[0]
    assert "not tuned" in explanation.info.notes[1]


def test_words_have_signs_and_attention_adds_up_to_one(trained: HANTextExplainer) -> None:
    explanation = trained.explain_local("the good film. a bad day and the plot", tune_epochs=2)
    assert explanation.documents is not None
    document = explanation.documents[0]
    by_word = dict(zip(document.tokens, document.values[1], strict=True))
    assert by_word["good"] > 0 > by_word["bad"]
    assert abs(by_word["good"]) > 3 * abs(by_word["the"])
    assert document.weights is not None
    assert document.weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert [round(weight or 0.0, 6) for _, _, weight in document.sentences] == pytest.approx(
        [document.weights[:3].sum(), document.weights[3:].sum()], abs=1e-5
    )
    assert explanation.local_importance_values.shape == (2, explanation.num_features)
    before, after = (float(part.split()[-1]) for part in explanation.info.notes[1].split(", before"))
    assert after < 1.0
    assert "tuned to each document, 2 epochs on 200 copies" in explanation.info.notes[1]
    assert before >= 0


def test_values_add_up_to_what_the_network_says(trained: HANTextExplainer) -> None:
    texts = corpus(4)
    explanation = trained.explain_local(texts, tune_epochs=0)
    found = trained._trained
    assert found is not None
    from explanation_client.explainers.han.training import outputs_of

    documents = [found.vocabulary.encode(WordReader().read(text)) for text in texts]
    worth = found.target.worth(outputs_of(found.network, documents)).numpy()
    assert explanation.local_importances is not None
    assert explanation.base_values is not None
    sums = explanation.local_importances.totals + explanation.base_values[:, None]
    np.testing.assert_allclose(sums, worth.T, atol=1e-5)


def test_generators_and_threads_are_left_as_they_were_found() -> None:
    torch.manual_seed(3)
    wanted, state = torch.rand(1), np.random.get_state()[1].tolist()
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    explainer = HANTextExplainer(teacher, corpus(8), hidden_size=4, classes=["no", "yes"])
    explainer.explain_local("good day", tune_epochs=1)
    assert torch.equal(torch.rand(1), wanted)
    assert np.random.get_state()[1].tolist() == state
    assert torch.get_num_threads() == threads


def test_a_network_that_is_saved_gives_the_same_values(trained: HANTextExplainer, tmp_path: Path) -> None:
    path = trained.save_weights(tmp_path / "network")
    assert path.name == "network.npz"
    other = HANTextExplainer(teacher, corpus(10), classes=["no", "yes"]).load_weights(path)
    text = "a good day. a bad plot"
    assert other.explain_local(text, tune_epochs=1) == trained.explain_local(text, tune_epochs=1)
    assert other.fidelity == trained.fidelity


def _with_header(path: Path, target: Path, **changes: Any) -> Path:
    with np.load(path) as arrays:
        found = dict(arrays)
    header = {**json.loads(bytes(found["header.json"])), **changes}
    found["header.json"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(target, **found)
    return target


def test_files_that_are_no_network_are_refused(trained: HANTextExplainer, tmp_path: Path) -> None:
    good = trained.save_weights(tmp_path / "good.npz")
    cases: dict[Path, str] = {
        tmp_path / "missing.npz": "No such file",
        _with_header(good, tmp_path / "version.npz", version=2): "version 1 is read",
        _with_header(good, tmp_path / "words.npz", words=["one"]): "embeddings are of shape",
        _with_header(good, tmp_path / "hidden.npz", hidden=10**9): "states are of shape",
        _with_header(good, tmp_path / "head.npz", head="exec"): "states are of shape",
        _with_header(good, tmp_path / "outputs.npz", means=[0.0]): "differ in number",
    }
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    cases[tmp_path / "text.npz"] = "no trained network"
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **{"header.json": np.array([object()], dtype=object)})
    cases[pickled] = "no trained network"
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    cases[tmp_path / "empty.npz"] = "no trained network"
    explainer = HANTextExplainer(teacher, corpus(10), classes=["no", "yes"])
    for path, problem in cases.items():
        with pytest.raises(InvalidArgumentError, match=problem):
            explainer.load_weights(path)
    three = HANTextExplainer(lambda texts: np.full((len(texts), 3), 1 / 3), corpus(10))
    with pytest.raises(InvalidArgumentError, match="2 outputs, the model has 3"):
        three.load_weights(good)
    with pytest.raises(InvalidArgumentError, match="train_model"):
        three.save_weights(tmp_path / "untrained")


def test_a_regression_is_learned_on_its_own_scale() -> None:
    def length(texts: list[str]) -> np.ndarray:
        return np.array([1000.0 + 10.0 * text.count("good") for text in texts])

    explainer = HANTextExplainer(length, corpus(160), hidden_size=8).train_model(train_epochs=8)
    explanation = explainer.explain_local(corpus(3), tune_epochs=0)
    assert explanation.model_task == "regression"
    assert explanation.base_values is not None
    assert explanation.base_values[0] == pytest.approx(1010, abs=3)
    assert explanation.info.output_space == "value"
    assert "R²" in explanation.info.notes[0]
    with pytest.raises(InvalidArgumentError, match="regression model"):
        explainer.train_model(classes=["a"])


def test_a_network_that_learns_little_says_so() -> None:
    rng = np.random.default_rng(0)
    noise = {text: rng.random() for text in corpus(30)}

    def guesses(texts: list[str]) -> np.ndarray:
        second = np.array([noise.get(text, 0.5) for text in texts])
        return np.column_stack([1.0 - second, second])

    with pytest.warns(UserWarning, match="not faithful to function"):
        HANTextExplainer(guesses, corpus(30), hidden_size=2).train_model(train_epochs=1)


def test_word_vectors_are_read_from_text(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("good", "of the", "rare"))
    path = tmp_path / "vectors.txt"
    path.write_text("4 3\nGood 1 2 3\nof the 0.5 0 -1\nother 9 9 9\n", encoding="utf-8")
    vectors = read_vectors(path, vocabulary)
    assert vectors[2].tolist() == [1.0, 2.0, 3.0]
    assert vectors[3].tolist() == [0.5, 0.0, -1.0]
    assert np.isnan(vectors[[0, 1, 4]]).all()
    explainer = HANTextExplainer(teacher, corpus(8), hidden_size=4, classes=["no", "yes"])
    path.write_text("".join(f"{word} 0.1 -0.2 {i}\n" for i, word in enumerate(WORDS)), encoding="utf-8")
    explainer.train_model(word_embedding_path=path, train_epochs=2)
    for content, problem in (
        ("", "no vectors"),
        ("good 1 2\nbad 1\n", "line 2 has 1 numbers, expected 2"),
        ("good one two\n", "no numbers"),
        ("good nan 1\n", "not all finite"),
        ("good\n", "line 1 has 0 numbers"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InvalidArgumentError, match=problem):
            read_vectors(path, vocabulary)
    with pytest.raises(InvalidArgumentError, match="can't be read"):
        read_vectors(tmp_path / "none.txt", vocabulary)


def test_documents_become_sentences_of_numbers() -> None:
    reader = WordReader()
    vocabulary = Vocabulary.of([reader.read("Good good bad. Bad film")])
    assert set(vocabulary.words) == {"good", "bad"}
    encoded = vocabulary.encode(reader.read("GOOD film bad. " + "bad " * (MAX_WORDS + 1)))
    assert [len(part) for part in encoded.ids] == [3, MAX_WORDS, 1]
    assert encoded.sentences.tolist() == [0, 1, 1]
    assert encoded.ids[0][1] == 1
    long = vocabulary.encode(reader.read("bad. " * (MAX_SENTENCES + 5)))
    assert long.n_words == MAX_SENTENCES
    assert vocabulary.encode(reader.read("")).n_words == 0


def test_filling_up_changes_no_output() -> None:
    vocabulary = Vocabulary(WORDS)
    reader = WordReader()
    documents = [vocabulary.encode(reader.read(text)) for text in ("good", "", "bad film. the day and good", "fine.")]
    network = HierarchicalAttention(len(vocabulary), embedding=5, hidden=3, n_outputs=2).eval()
    with torch.no_grad():
        together, words, sentences = network(batch_of(documents))
        alone = torch.cat([network(batch_of([document]))[0] for document in documents])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(words.sum(dim=1), torch.ones(len(words)))
    assert torch.allclose(sentences.sum(dim=1), torch.ones(len(documents)))


def test_every_document_is_in_one_batch() -> None:
    sizes = np.arange(101)
    made = batches(sizes, 8, np.random.default_rng(0))
    assert np.sort(np.concatenate(made)).tolist() == sizes.tolist()
    assert max(map(len, made)) == 8


@pytest.mark.parametrize(
    ("answers", "space", "head"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "probability", "softmax"),
        ([[0.2, 0.9], [0.5, 0.9]], "probability", "sigmoid"),
        ([[-1.0, 4.0], [3.0, 4.0]], "margin", "linear"),
    ],
)
def test_answers_are_learned_and_given_back(answers: list[list[float]], space: str, head: str) -> None:
    wanted = np.array(answers)
    target = Target.of(wanted, space)
    assert target.head == head
    outputs = torch.tensor(target.linear(wanted))
    np.testing.assert_allclose(target.answers(outputs), wanted, atol=1e-9)
    odds = np.log(wanted / (1 - wanted)) if space == "probability" else wanted
    np.testing.assert_allclose(target.worth(outputs).numpy(), odds, atol=1e-9)


def test_wrong_arguments_are_refused() -> None:
    for arguments, problem in (
        ({"hidden_size": 0}, "hidden_size=0"),
        ({"call_size": True}, "call_size=True"),
        ({"device": "abacus"}, "device='abacus'"),
    ):
        with pytest.raises(InvalidArgumentError, match=problem):
            HANTextExplainer(teacher, corpus(4), **arguments)  # type: ignore[arg-type]
    explainer = HANTextExplainer(teacher, corpus(4))
    with pytest.raises(InvalidArgumentError, match="train_epochs=0"):
        explainer.train_model(train_epochs=0)
    with pytest.raises(InvalidArgumentError, match="tune_epochs=-1"):
        explainer.explain_local("good", tune_epochs=-1)
    with pytest.raises(InvalidArgumentError, match="initialization examples are empty"):
        HANTextExplainer(teacher, [])
