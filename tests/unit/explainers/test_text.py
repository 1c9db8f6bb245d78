"""TextExplainer: exact routes against the models' own numbers, the general one against what is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC

from explanation_client.errors import CannotExplainError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import SamplingPolicy, TextExplainer
from explanation_client.explanation import Explanation
from tests.unit.explainers.truth import shapley

TEXTS = [
    "Good film, really good! The café was good.",
    "A bad film. Very bad acting, bad plot",
    "I like this film and its plot",
    "so boring: the worst acting",
    "an excellent café, excellent day",
    "poor plot; poor film",
    "the day was fine",
    "nothing but noise",
]
LABELS = np.array(["good", "bad", "good", "bad", "good", "bad", "fine", "fine"])
TWO = np.where(LABELS == "bad", "bad", "good")
NEW = ["The worst film, and the BEST café: really really good don't", "bad", "unheard of", ""]
NUMBERS = np.array([5.0, 1.0, 4.0, 1.5, 5.0, 2.0, 3.0, 2.5])


def spoken(explanation: Explanation, output: int = -1) -> list[dict[str, float]]:
    """Return the values of each document's words, occurrences added up."""
    assert explanation.documents is not None
    found: list[dict[str, float]] = []
    for document in explanation.documents:
        sums: dict[str, float] = {}
        for position, value in zip(document.words, document.values[output], strict=True):
            name = explanation.features[position]
            sums[name] = sums.get(name, 0.0) + float(value)
        found.append(sums)
    return found


def sums(explanation: Explanation) -> np.ndarray:
    """Return base value and the importances of all words, (C, N)."""
    assert explanation.base_values is not None
    assert explanation.local_importances is not None
    return np.asarray(explanation.local_importances.totals + explanation.base_values[:, None])


VECTORIZERS: dict[str, Any] = {
    "words": TfidfVectorizer(),
    "counts without accents": CountVectorizer(strip_accents="unicode", stop_words=["the"]),
    "phrases": TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True),
    "pairs only": CountVectorizer(ngram_range=(2, 2), lowercase=False, binary=True),
    "a group of the pattern": CountVectorizer(token_pattern=r"(?:^|\s)([a-z]+)"),
    "a tokenizer": CountVectorizer(tokenizer=str.split, token_pattern=None),
    "characters": TfidfVectorizer(analyzer="char", ngram_range=(2, 3)),
    "characters within words": TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)),
    "hashes": HashingVectorizer(n_features=32),
    "two steps": make_pipeline(CountVectorizer(), TfidfTransformer()),
    "a selection": make_pipeline(TfidfVectorizer(), SelectKBest(k=6)),
    "a union": FeatureUnion(
        [("words", TfidfVectorizer()), ("none", "drop"), ("parts", TfidfVectorizer(analyzer="char_wb"))]
    ),
}


@pytest.mark.parametrize("kind", VECTORIZERS)
def test_linear_values_add_up_to_the_margin_of_each_document(kind: str) -> None:
    model = make_pipeline(VECTORIZERS[kind], LogisticRegression(C=10.0)).fit(TEXTS, LABELS)
    explainer = TextExplainer(model)
    assert explainer.method == "text_linear"
    explanation = explainer.explain_global(NEW)
    np.testing.assert_allclose(sums(explanation), model.decision_function(NEW).T, atol=1e-12)
    np.testing.assert_allclose(explanation.base_values, model.decision_function([""])[0], atol=1e-12)
    assert explanation.info.output_space == "margin"
    assert "LogisticRegression" in str(explanation.info.reason)


def test_the_value_of_a_word_is_its_coefficient_times_its_weight() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, TWO)
    explanation = TextExplainer(model).explain_local(NEW)
    vectorizer, linear = model[0], model[-1]
    weights = vectorizer.transform(NEW).toarray()
    for row, found in enumerate(spoken(explanation)):
        for word, value in found.items():
            column = vectorizer.vocabulary_.get(word)
            wanted = 0.0 if column is None else linear.coef_[0, column] * weights[row, column]
            assert value == pytest.approx(wanted, abs=1e-12), word
    assert explanation.info.output_space == "log-odds"
    assert explanation.classes == ("bad", "good")
    first, second = explanation.local_importances.values  # type: ignore[union-attr]
    assert np.array_equal(first, -second)
    # Words are called what the vectorizer calls them.
    assert explanation.features[:4] == ("the", "worst", "film", "and")
    assert explanation.documents[0].tokens[:2] == ("The", "worst")  # type: ignore[index]


def test_a_phrase_is_shared_among_its_words_and_a_word_among_its_places() -> None:
    model = make_pipeline(CountVectorizer(ngram_range=(1, 2)), Ridge()).fit(TEXTS, NUMBERS)
    explanation = TextExplainer(model).explain_local("good good film")
    names, coef = model[0].vocabulary_, model[-1].coef_
    phrase, single = coef[names["good film"]], coef[names["good"]]
    assert "good good" not in names
    assert explanation.documents is not None
    values = explanation.documents[0].values[0]
    np.testing.assert_allclose(values, [single, single + phrase / 2, coef[names["film"]] + phrase / 2])
    assert explanation.info.output_space == "value"
    assert explanation.local_importance_values.shape == (2,)


@pytest.mark.parametrize("labels", [LABELS, TWO], ids=["three classes", "two classes"])
@pytest.mark.parametrize("kind", [MultinomialNB, ComplementNB])
def test_naive_bayes_is_linear_in_its_log_probabilities(kind: Any, labels: np.ndarray) -> None:
    model = make_pipeline(CountVectorizer(), kind()).fit(TEXTS, labels)
    explainer = TextExplainer(model)
    assert explainer.method == "text_linear"
    logs = model.predict_log_proba(NEW)
    wanted = logs[:, 1:] - logs[:, :1] if len(set(labels)) == 2 else logs - logs.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(sums(explainer.explain_local(NEW))[-wanted.shape[1] :], wanted.T, atol=1e-10)


def test_trees_get_the_shapley_values_of_taking_words_out() -> None:
    model = make_pipeline(CountVectorizer(), RandomForestClassifier(8, max_depth=4, random_state=0)).fit(TEXTS, LABELS)
    explainer = TextExplainer(model)
    assert explainer.method == "text_tree"
    text = "bad film but good café"
    explanation = explainer.explain_local(text)
    words = text.split()

    def game(chosen: frozenset[int]) -> np.ndarray:
        return np.asarray(model.predict_proba([" ".join(words[i] for i in sorted(chosen))])[0])

    wanted, base = shapley(game, len(words))
    np.testing.assert_allclose(explanation.documents[0].values, wanted, atol=1e-12)  # type: ignore[index]
    np.testing.assert_allclose(explanation.base_values, base)
    assert explanation.info.output_space == "probability"
    assert explanation.features == tuple(words)


def test_trees_of_a_regression_explain_many_documents() -> None:
    model = make_pipeline(TfidfVectorizer(), GradientBoostingRegressor(n_estimators=5)).fit(TEXTS, NUMBERS)
    explanation = TextExplainer(model).explain_global(TEXTS)
    np.testing.assert_allclose(sums(explanation)[0], model.predict(TEXTS))
    assert explanation.per_class_importances is None


class Linear:
    """A function of documents whose log-odds are a sum over words."""

    weights: ClassVar = {"good": 2.0, "bad": -3.0, "not": 1.0, "film": 0.0}

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        assert isinstance(texts, list)
        self.calls.append(texts)
        scores = [sum(self.weights.get(word, 0.0) for word in text.split()) - 0.5 for text in texts]
        odds = np.exp(np.array(scores))
        return np.column_stack([1 / (1 + odds), odds / (1 + odds)])

    @property
    def asked(self) -> int:
        return sum(map(len, self.calls))


@pytest.mark.parametrize("method", ["removal", "shapley"])
def test_a_function_that_is_linear_in_words_gets_its_weights_back(method: str) -> None:
    explanation = TextExplainer(Linear(), method=method).explain_local("good film bad good")
    np.testing.assert_allclose(explanation.documents[0].values[1], [2.0, 0.0, -3.0, 2.0], atol=1e-4)  # type: ignore[index]
    np.testing.assert_allclose(explanation.base_values, [0.5, -0.5], atol=1e-12)
    assert explanation.features == ("good", "film", "bad")
    np.testing.assert_allclose(explanation.get_ranked_local_values()[1], [4.0, -3.0, 0.0], atol=1e-4)
    assert explanation.get_ranked_local_names()[1].tolist() == ["good", "bad", "film"]
    assert explanation.local_importance_rank[1].tolist() == [0, 2, 1]
    assert np.array_equal(explanation.ordered_local_importance_values, explanation.get_ranked_local_values())


def test_few_copies_of_a_long_document_find_the_words_that_count() -> None:
    function = Linear()
    noise = [f"word{i}" for i in range(60)]
    text = " ".join([*noise[:20], "good", *noise[20:40], "bad", *noise[40:], "bad"])
    explanation = TextExplainer(function).explain_local(text)
    names, values = explanation.get_ranked_local_names(2)[1], explanation.get_ranked_local_values(2)[1]
    assert names.tolist() == ["bad", "good"]
    np.testing.assert_allclose(values, [-6.0, 2.0], rtol=0.02)
    assert function.asked <= 512 + 2
    assert max(map(len, function.calls)) <= 256
    np.testing.assert_allclose(sums(explanation)[1], [-0.5 + 2.0 - 6.0], atol=1e-9)


def test_shapley_values_are_those_of_their_definition() -> None:
    def interacting(texts: list[str]) -> np.ndarray:
        return np.array([3.0 * ("not bad" in text) - ("bad" in text) + len(text.split()) ** 2 for text in texts])

    text = "it is not bad"
    explanation = TextExplainer(interacting, method="shapley").explain_local(text)
    words = text.split()

    def game(chosen: frozenset[int]) -> np.ndarray:
        return interacting([" ".join(words[i] for i in sorted(chosen))])

    wanted, base = shapley(game, len(words))
    np.testing.assert_allclose(explanation.documents[0].values, wanted, atol=1e-9)  # type: ignore[index]
    np.testing.assert_allclose(explanation.base_values, base)
    assert explanation.method == "text_shapley"
    assert explanation.model_task == "regression"


def test_occurrences_are_told_apart_where_order_matters_and_not_where_words_are_counted() -> None:
    def first_word(texts: list[str]) -> np.ndarray:
        return np.array([float(text.startswith("good")) for text in texts])

    text = "good one two three four five six seven good"
    told = TextExplainer(first_word, model_task="regression").explain_local(text).documents[0].values[0]  # type: ignore[index]
    assert told[0] > 0.5 > abs(told[8])
    same = TextExplainer(first_word, each_occurrence=False).explain_local(text).documents[0].values[0]  # type: ignore[index]
    assert same[0] == same[8] > 0
    counted = make_pipeline(CountVectorizer(), TruncatedSVD(2, random_state=0), LogisticRegression()).fit(TEXTS, TWO)
    explanation = TextExplainer(counted).explain_local("Bad good bad film")
    values = explanation.documents[0].values  # type: ignore[index]
    assert np.array_equal(values[:, 0], values[:, 2])
    assert explanation.features == ("bad", "good", "film")
    assert "TruncatedSVD mixes the columns" in str(explanation.info.reason)


def test_the_same_seed_gives_the_same_values_whatever_else_is_explained() -> None:
    noise = " ".join(f"w{i}" for i in range(30))
    texts = [f"good {noise}", f"{noise} bad not", "film"]
    state = np.random.get_state()[1]
    alone = TextExplainer(Linear(), nsamples=40).explain_local(texts[1])
    together = TextExplainer(Linear(), nsamples=40).explain_global(texts, batch_size=2)
    assert np.array_equal(alone.documents[0].values, together.documents[1].values)  # type: ignore[index]
    other = TextExplainer(Linear(), nsamples=40, seed=1).explain_local(texts[1])
    assert not np.array_equal(alone.documents[0].values, other.documents[0].values)  # type: ignore[index]
    assert np.array_equal(state, np.random.get_state()[1])


def test_a_document_is_asked_about_once() -> None:
    function = Linear()
    explainer = TextExplainer(function, call_size=7)
    first = explainer.explain_local(["good bad film", "good bad film"])
    asked = function.asked
    assert asked == len({text for call in function.calls for text in call}) + 1  # The first call only reads the shape.
    assert max(map(len, function.calls)) <= 7
    again = explainer.explain_local("good bad film")
    assert function.asked == asked
    assert np.array_equal(first.documents[0].values, again.documents[0].values)  # type: ignore[index]


def test_probabilities_are_explained_where_they_are_asked_for() -> None:
    explanation = TextExplainer(Linear(), output="probability").explain_local(["good film", "bad"])
    np.testing.assert_allclose(sums(explanation), Linear()(["good film", "bad"]).T, atol=1e-12)
    assert explanation.info.output_space == "probability"
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(TEXTS, LABELS)
    with pytest.raises(InvalidArgumentError, match="no probabilities"):
        TextExplainer(model, method="removal", output="probability")
    margins = TextExplainer(model, method="removal").explain_local(NEW[:2])
    np.testing.assert_allclose(sums(margins), model.decision_function(NEW[:2]).T, atol=1e-12)
    assert margins.info.output_space == "margin"


def test_global_importance_is_the_mean_over_all_documents() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)
    explainer = TextExplainer(model)
    explanation = explainer.explain_global(TEXTS)
    for output in range(3):
        found = spoken(explanation, output)
        for position, name in enumerate(explanation.features):
            wanted = sum(abs(words.get(name, 0.0)) for words in found) / len(TEXTS)
            assert explanation.per_class_values[output, position] == pytest.approx(wanted, abs=1e-12)
    np.testing.assert_allclose(explanation.global_importance_values, explanation.per_class_values.mean(axis=0))
    light = explainer.explain_global(TEXTS, include_local=False, batch_size=3)
    np.testing.assert_allclose(light.global_importance_values, explanation.global_importance_values)
    assert light.documents is light.local_importances is light.data is None
    assert light.num_examples == len(TEXTS)


def test_a_sample_of_the_documents_is_explained_as_a_policy_says() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, TWO)
    names = pd.Series(TEXTS, index=[f"review {i}" for i in range(len(TEXTS))])
    policy = SamplingPolicy(allow_eval_sampling=True, sampling_method="random", n_rows=3)
    explanation = TextExplainer(model).explain_global(names, policy)
    assert explanation.num_examples == 3
    assert explanation.data is not None
    for name, document in zip(explanation.data.row_names, explanation.documents, strict=True):  # type: ignore[arg-type]
        assert names[name] == document.text
    assert "3 of 8 are explained" in explanation.info.notes[-1]
    with pytest.raises(InvalidArgumentError, match="sampling_method='random'"):
        TextExplainer(model).explain_global(names, SamplingPolicy(allow_eval_sampling=True))
    with pytest.raises(InvalidArgumentError, match="a SamplingPolicy"):
        TextExplainer(model).explain_global(names, 5)  # type: ignore[arg-type]


def test_predictions_are_kept_and_texts_are_in_the_documents() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)
    explanation = TextExplainer(model).explain_local(TEXTS[:3])
    assert explanation.eval_y_predicted.tolist() == model.predict(TEXTS[:3]).tolist()  # type: ignore[union-attr]
    np.testing.assert_allclose(explanation.eval_y_predicted_proba, model.predict_proba(TEXTS[:3]))  # type: ignore[arg-type]
    assert explanation.eval_data is None
    assert [document.text for document in explanation.documents] == TEXTS[:3]  # type: ignore[union-attr]
    named = TextExplainer(Linear(), classes=["against", "for"]).explain_local(["good", "bad"])
    assert named.eval_y_predicted.tolist() == ["for", "against"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "documents",
    [
        TEXTS[:2],
        tuple(TEXTS[:2]),
        np.array(TEXTS[:2]),
        np.array(TEXTS[:2], object)[:, None],
        pd.Series(TEXTS[:2], dtype="string"),
        pd.DataFrame({"text": TEXTS[:2]}),
        pa.array(TEXTS[:2]),
        pa.chunked_array([TEXTS[:1], TEXTS[1:2]]),
        pa.table({"text": TEXTS[:2]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_documents_come_in_whatever_holds_strings(documents: Any) -> None:
    model = make_pipeline(CountVectorizer(), Ridge()).fit(TEXTS, NUMBERS)
    explanation = TextExplainer(model).explain_local(documents)
    assert [document.text for document in explanation.documents] == TEXTS[:2]  # type: ignore[union-attr]
    assert not explanation.info.single_row


NO_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "bytes": ([b"good"], "document 0 .* bytes"),
    "a missing one": (["good", None], "document 1 .* NoneType"),
    "NaN": (pd.Series(["good", np.nan], dtype=object), "document 1 .* float"),
    "none": ([], "at least one document"),
    "numbers": (np.ones((3, 2)), r"a table of shape \(3, 2\)"),
    "a dict": ({"text": "good"}, "are a dict"),
    "half a character": (["\ud83d"], "no valid Unicode"),
    "no word": (["", ""], "no document has a word"),
}


@pytest.mark.parametrize("case", NO_DOCUMENTS)
def test_what_is_no_document_is_refused(case: str) -> None:
    documents, problem = NO_DOCUMENTS[case]
    with pytest.raises(InvalidArgumentError, match=problem):
        TextExplainer(Linear()).explain_local(documents)


def test_a_vectorizer_and_a_model_may_come_apart() -> None:
    vectorizer = TfidfVectorizer().fit(TEXTS)
    model = LogisticRegression().fit(vectorizer.transform(TEXTS), LABELS)
    together = make_pipeline(vectorizer, model)
    explainer = TextExplainer(model, preprocessor=vectorizer)
    assert explainer.method == "text_linear"
    assert explainer.explain_local(NEW) == _of(together, NEW, model)
    asked = TextExplainer(model, preprocessor=lambda texts: vectorizer.transform([t.upper() for t in texts]))
    assert asked.method == "text_removal"
    forest = RandomForestClassifier(3, random_state=0).fit(vectorizer.transform(TEXTS), LABELS)
    assert TextExplainer(forest, preprocessor=vectorizer).method == "text_tree"
    with pytest.raises(UnsupportedModelError, match="takes numbers and no documents"):
        TextExplainer(model)
    with pytest.raises(InvalidArgumentError, match="something with transform"):
        TextExplainer(model, preprocessor=3)


def _of(pipeline: Any, texts: list[str], model: Any) -> Explanation:
    from dataclasses import replace

    made = TextExplainer(pipeline).explain_local(texts)
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    versions = TextExplainer(model, preprocessor=pipeline[0]).explain_local(texts).info.made_with
    return replace(made, info=replace(made.info, model_type=name, made_with=versions))


def test_the_best_model_of_a_search_is_explained() -> None:
    search = GridSearchCV(make_pipeline(CountVectorizer(), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2)
    explainer = TextExplainer(search.fit(TEXTS, NUMBERS))
    assert explainer.method == "text_linear"
    np.testing.assert_allclose(sums(explainer.explain_local(NEW))[0], search.predict(NEW))


def test_a_vectorizer_with_words_of_its_own_leads_to_asking_the_model() -> None:
    model = make_pipeline(CountVectorizer(analyzer=lambda text: text.split()[:3]), Ridge()).fit(TEXTS, NUMBERS)
    explainer = TextExplainer(model)
    assert explainer.method == "text_removal"
    assert "the analyzer of CountVectorizer is a function of its own" in explainer.reason
    np.testing.assert_allclose(sums(explainer.explain_local(NEW))[0], model.predict(NEW))
    with pytest.raises(CannotExplainError, match="analyzer"):
        TextExplainer(model, method="linear")


def test_documents_whose_words_cannot_be_placed_lead_to_asking_the_model() -> None:
    # Longer or shorter, by what comes before: which character comes from which is not to be told.
    vectorizer = CountVectorizer(preprocessor=lambda text: text.replace("<br>", " ").lower())
    model = make_pipeline(vectorizer, Ridge()).fit(TEXTS, NUMBERS)
    explainer = TextExplainer(model)
    assert explainer.explain_local(TEXTS[:2]).method == "text_linear"
    explanation = explainer.explain_local(["good<br>film", "bad"])
    assert explanation.method == "text_removal"
    assert "changes more than single characters" in str(explanation.info.reason)
    np.testing.assert_allclose(sums(explanation)[0], model.predict(["good<br>film", "bad"]))


class _Config:
    id2label: ClassVar = {1: "POSITIVE", 0: "NEGATIVE"}


class _Network:
    config = _Config()


class TextClassificationPipeline:
    """Called as the pipeline of that name in transformers is."""

    __module__ = "transformers.pipelines.text_classification"
    model = _Network()

    def __call__(self, inputs: Any, *, top_k: int | None = 1, truncation: bool = False) -> Any:
        assert isinstance(inputs, list)
        assert truncation
        assert top_k is None
        answers = Linear()(inputs)
        labelled = [[{"label": "NEGATIVE", "score": a}, {"label": "POSITIVE", "score": b}] for a, b in answers]
        # The best label comes first.
        return [sorted(scores, key=lambda score: -score["score"]) for scores in labelled]


def _in_transformers(name: str) -> type:
    return (
        type("Pipeline", (), {"__module__": "transformers.pipelines.base", "__qualname__": "Pipeline"})
        if name
        else type
    )


class Standing(TextClassificationPipeline, _in_transformers("base")):  # type: ignore[misc]
    """A text classification pipeline as a subclass of the package's base."""

    __module__ = "transformers.pipelines.text_classification"


def test_a_pipeline_of_transformers_is_asked_as_it_wants_to_be() -> None:
    explanation = TextExplainer(Standing()).explain_local("good film")
    assert explanation.classes == ("NEGATIVE", "POSITIVE")
    np.testing.assert_allclose(explanation.documents[0].values[1], [2.0, 0.0], atol=1e-5)  # type: ignore[index]
    assert explanation.eval_y_predicted.tolist() == ["POSITIVE"]  # type: ignore[union-attr]
    assert str(explanation.info.model_type).startswith("transformers.")
    other = _in_transformers("base")()
    with pytest.raises(UnsupportedModelError, match="no text classification"):
        TextExplainer(other)


def test_models_of_tables_and_wrong_arguments_are_refused() -> None:
    table = pd.DataFrame({"text": TEXTS, "n": range(len(TEXTS))})
    columns = ColumnTransformer([("text", TfidfVectorizer(), "text")])
    with pytest.raises(UnsupportedModelError, match="ColumnTransformer"):
        TextExplainer(make_pipeline(columns, Ridge()).fit(table, NUMBERS))
    model = make_pipeline(CountVectorizer(), Ridge()).fit(TEXTS, NUMBERS)
    for arguments, problem in (
        ({"method": "lime"}, "method='lime'"),
        ({"output": "margin"}, "output='margin'"),
        ({"nsamples": 3}, "nsamples=3"),
        ({"call_size": 0}, "call_size=0"),
        ({"token_pattern": "("}, "no regular expression"),
        ({"token_pattern": "a*"}, "empty string"),
        ({"classes": ["a"]}, "regression model"),
        ({"model_task": "ranking"}, "model_task='ranking'"),
    ):
        with pytest.raises(InvalidArgumentError, match=problem):
            TextExplainer(model, **arguments)  # type: ignore[arg-type]
    with pytest.raises(CannotExplainError, match="'text_linear'"):
        TextExplainer(model, method="tree")
    with pytest.raises(InvalidArgumentError, match="batch_size=0"):
        TextExplainer(model).explain_global(TEXTS, batch_size=0)
    with pytest.raises(InvalidArgumentError, match="regression model"):
        TextExplainer(model).explain_local(TEXTS, classes=["a"])
    with pytest.raises(UnsupportedModelError, match="cannot be called"):
        TextExplainer(model, is_function=True)


def test_a_model_that_fails_says_why_it_was_asked() -> None:
    def fails(texts: list[str]) -> np.ndarray:
        return np.array([1.0 / len(text) for text in texts])

    with pytest.raises(ZeroDivisionError) as raised:
        TextExplainer(fails)
    assert "empty document" in raised.value.__notes__[0]

    def infinite(texts: list[str]) -> np.ndarray:
        return np.array([np.inf if text else 0.0 for text in texts])

    with pytest.raises(UnsupportedModelError, match="NaN or infinity"):
        TextExplainer(infinite).explain_local("good")


def test_classes_may_be_named_where_documents_are_explained() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, TWO)
    explainer = TextExplainer(model)
    assert explainer.explain_local(NEW, ["no", "yes"]).classes == ("no", "yes")
    assert explainer.explain_global(NEW, classes=["no", "yes"]).classes == ("no", "yes")
    with pytest.raises(InvalidArgumentError, match="order"):
        explainer.explain_local(NEW, ["good", "bad"])
