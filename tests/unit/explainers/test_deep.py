"""DeepExplainer on small networks of PyTorch."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import DeepExplainer, KernelExplainer, LIMEExplainer, PFIExplainer, TabularExplainer
from explanation_client.explainers.deep.state import explainer_of, state_of
from tests.unit.explainers.data import N_FEATURES, rows
from tests.unit.explainers.truth import interventional, shapley

torch = pytest.importorskip("torch")
nn: Any = torch.nn

Array = NDArray[np.float64]
BACKGROUND, X = rows(6), rows(3, seed=1)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks of a few weights are slower on several threads, and much slower where others work too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(*end: Any, outputs: int = 1, inner: Any = None, seed: int = 0) -> Any:
    """Return a network of random weights: two layers of eight, and what it ends with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inner = nn.Tanh if inner is None else inner
        return nn.Sequential(nn.Linear(N_FEATURES, 8), inner(), nn.Linear(8, 8), inner(), nn.Linear(8, outputs), *end)


class Module(nn.Module):  # type: ignore[misc, name-defined]  # torch is not imported where it is missing
    """A module that does what a function says."""

    def __init__(self, function: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        self.function = function
        self.linear = nn.Linear(N_FEATURES, 1)
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def answers(model: Any, x: Array) -> Array:
    """Return what a module says, asked without any of the library."""
    was_training = model.training
    with torch.no_grad():
        made = model.eval()(torch.tensor(x, dtype=torch.float32)).numpy()
    model.train(was_training)
    return np.asarray(made, np.float64).reshape(len(x), -1)


def softmax(scores: Array) -> Array:
    return np.asarray(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))


def exact(predict: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return the Shapley values (C, N, F) of the rows, and the base values (C,), from all coalitions."""
    found = [shapley(interventional(predict, row, BACKGROUND), N_FEATURES) for row in X]
    return np.stack([values for values, _ in found], axis=1), found[0][1]


def distance(values: Array, wanted: Array) -> float:
    return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))


# --- Values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradients", "deeplift"])
def test_a_linear_network_gets_weights_times_distances(method: str) -> None:
    model = nn.Linear(N_FEATURES, 1).double()
    explanation = DeepExplainer(model, BACKGROUND, method=method).explain_local(X)
    weights = model.weight.detach().numpy()[0]
    np.testing.assert_allclose(explanation.local_importance_values, weights * (X - BACKGROUND.mean(axis=0)), atol=1e-12)
    assert explanation.info.output_space == "value"


@pytest.mark.parametrize(
    ("model", "bound"),
    [
        (network(), 0.15),
        (network(inner=nn.ReLU), 0.15),
        (network(inner=nn.GELU), 0.15),
        (Module(lambda self, x: (self.linear(x) * x[:, 1:2]).squeeze(1)), 1e-5),
    ],
)
def test_values_of_a_regression_are_near_the_shapley_values_and_add_up(model: Any, bound: float) -> None:
    wanted, base = exact(lambda x: answers(model, x))
    explanation = DeepExplainer(model, BACKGROUND).explain_local(X)
    values = explanation.local_importances.values
    assert distance(values, wanted) < bound
    np.testing.assert_allclose(explanation.expected_values, base, atol=1e-6)
    np.testing.assert_allclose(values.sum(axis=2).T + base, answers(model, X), atol=1e-5)
    assert any("sums: values miss the network's output by at most" in note for note in explanation.info.notes)


def test_broken_paths_are_nearer_to_shapley_values_than_straight_ones() -> None:
    model = network(inner=nn.GELU, seed=1)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(3.0)
    wanted, _ = exact(lambda x: answers(model, x))
    broken, straight, chosen = (
        DeepExplainer(model, BACKGROUND, broken_paths=choice).explain_local(X).local_importances.values
        for choice in (True, False, None)
    )
    assert distance(broken, wanted) < 0.7 * distance(straight, wanted)
    assert np.array_equal(chosen, broken)


def test_two_features_get_exactly_the_shapley_values() -> None:
    model = Module(lambda _, x: torch.exp(torch.sin(3.0 * x[:, 0]) * x[:, 1].abs()))
    explanation = DeepExplainer(model, BACKGROUND[:, :2]).explain_local(X[:, :2])
    wanted, _ = exact(lambda x: answers(model, x))
    np.testing.assert_allclose(explanation.local_importances.values, wanted[:, :, :2], atol=1e-4)


@pytest.mark.parametrize(
    ("end", "outputs"),
    [((nn.Softmax(dim=1),), 3), ((nn.Sigmoid(),), 1), ((nn.Sigmoid(), nn.Flatten(0)), 1)],
)
def test_a_head_is_seen_and_probabilities_add_up(end: tuple[Any, ...], outputs: int) -> None:
    model = network(*end, outputs=outputs)

    def probabilities(x: Array) -> Array:
        found = answers(model, x)
        return found if outputs > 1 else np.column_stack([1.0 - found, found])

    wanted, base = exact(probabilities)
    explanation = DeepExplainer(model, BACKGROUND).explain_local(X)
    values = explanation.local_importances.values
    assert explanation.info.output_space == "probability"
    assert distance(values, wanted) < 0.1
    np.testing.assert_allclose(explanation.expected_values, base, atol=1e-6)
    np.testing.assert_allclose(values.sum(axis=2).T + base, probabilities(X), atol=1e-5)


def test_scores_of_a_classifier_are_margins_or_carried_to_probabilities() -> None:
    model = network(outputs=3)
    margins = DeepExplainer(model, BACKGROUND).explain_local(X)
    assert margins.info.output_space == "margin"
    sums = margins.local_importances.values.sum(axis=2).T + margins.expected_values
    np.testing.assert_allclose(sums, answers(model, X), atol=1e-5)

    carried = DeepExplainer(model, BACKGROUND, shap_values_output="probability").explain_local(X)
    wanted, base = exact(lambda x: softmax(answers(model, x)))
    assert carried.info.output_space == "probability"
    assert distance(carried.local_importances.values, wanted) < 0.1
    np.testing.assert_allclose(carried.expected_values, base, atol=1e-6)
    np.testing.assert_allclose(carried.eval_y_predicted_proba, softmax(answers(model, X)), atol=1e-6)


def test_margins_of_a_network_with_a_softmax_are_what_goes_into_it() -> None:
    model = network(nn.Softmax(dim=-1), outputs=3)
    explanation = DeepExplainer(model, BACKGROUND, shap_values_output="margin").explain_local(X)
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, answers(model[:-1], X), atol=1e-5)
    assert explanation.info.output_space == "margin"


def test_one_score_of_two_classes_is_mirrored() -> None:
    explanation = DeepExplainer(network(), BACKGROUND, classes=["no", "yes"]).explain_local(X)
    first, second = explanation.local_importances.values
    assert (first == -second).all()
    assert explanation.info.output_space == "log-odds"
    np.testing.assert_allclose(explanation.expected_values, np.array([-1.0, 1.0]) * explanation.expected_values[1])


def test_a_regression_with_a_sigmoid_is_explained_in_its_values() -> None:
    model = network(nn.Sigmoid())
    explanation = DeepExplainer(model, BACKGROUND, is_classifier=False).explain_local(X)
    wanted, _ = exact(lambda x: answers(model, x))
    assert (explanation.info.task, explanation.info.output_space) == ("regression", "value")
    assert distance(explanation.local_importances.values, wanted) < 0.1


def test_probabilities_without_a_head_to_be_seen_are_explained_as_they_are() -> None:
    model = Module(lambda self, x: torch.cat([1.0 / (1.0 + torch.exp(s * self.linear(x))) for s in (1.0, -1.0)], dim=1))
    explanation = DeepExplainer(model, BACKGROUND).explain_local(X)
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, answers(model, X), atol=1e-5)
    assert explanation.info.output_space == "probability"
    with pytest.raises(InvalidArgumentError, match="no softmax or sigmoid is seen at its end"):
        DeepExplainer(model, BACKGROUND, shap_values_output="margin")


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    explainer = DeepExplainer(network(nn.Softmax(dim=1), outputs=3, inner=nn.ReLU), BACKGROUND)
    together, alone = explainer.explain_local(X), explainer.explain_local(X[1])
    np.testing.assert_allclose(
        alone.local_importance_values, together.local_importances.values[:, 1], rtol=0, atol=1e-6
    )
    again = explainer.explain_local(X)
    assert np.array_equal(again.local_importances.values, together.local_importances.values)


# --- Rows ------------------------------------------------------------------------------------------------------------


def test_rows_may_be_tensors_tables_sparse_or_wider_numbers() -> None:
    import pandas
    import scipy.sparse

    model = network()
    frame = pandas.DataFrame(BACKGROUND, columns=list("abcd"))
    wanted = DeepExplainer(model, BACKGROUND).explain_local(X).local_importance_values
    on_frame = DeepExplainer(model, frame)
    for found in (
        DeepExplainer(model, torch.tensor(BACKGROUND)).explain_local(torch.tensor(X, requires_grad=True)),
        DeepExplainer(model, BACKGROUND).explain_local(scipy.sparse.csr_array(X)),
        on_frame.explain_local(pandas.DataFrame(X[:, ::-1], columns=list("dcba"))),
    ):
        np.testing.assert_allclose(found.local_importance_values, wanted, atol=1e-6)
    assert on_frame.features == ("a", "b", "c", "d")


def test_rows_of_a_sparse_background_are_compared_with_their_median() -> None:
    import scipy.sparse

    sparse = scipy.sparse.csr_matrix(np.where(np.abs(BACKGROUND) > 1.0, BACKGROUND, 0.0))
    explanation = DeepExplainer(network(), sparse).explain_local(sparse[:2])
    median = np.median(sparse.toarray(), axis=0)[None]
    np.testing.assert_allclose(explanation.expected_values, answers(network(), median)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("bad", "message"),
    [(np.array([[1.0, np.nan, 0.0, 0.0]]), "'feature_1' of row 0 is nan"), ([["a", 1.0, 2.0, 3.0]], "takes numbers")],
)
def test_rows_that_are_no_finite_numbers_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        DeepExplainer(network(), BACKGROUND).explain_local(bad)


def test_raw_rows_are_explained_through_transformations() -> None:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(BACKGROUND)
    explanation = DeepExplainer(network(), BACKGROUND, transformations=scaler).explain_local(X)
    direct = DeepExplainer(network(), scaler.transform(BACKGROUND)).explain_local(scaler.transform(X))
    np.testing.assert_allclose(explanation.local_importance_values, direct.local_importance_values, atol=1e-6)
    assert explanation.is_raw


# --- What is left as it was ------------------------------------------------------------------------------------------


def test_a_module_is_left_as_it_was_found() -> None:
    model = nn.Sequential(
        nn.Linear(N_FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2)
    ).train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.random.get_rng_state()
    for method in ("gradients", "deeplift"):
        with torch.no_grad(), torch.autocast("cpu"):
            DeepExplainer(model, BACKGROUND, method=method).explain_global(X)
            assert not torch.is_grad_enabled()
    assert [part.training for part in model.modules()] == [True, True, False, True, True, True]
    assert [p.requires_grad for p in model.parameters()] == [False, True, True, True, True, True]
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    assert not any(getattr(part, name) for part in model.modules() for name in hooks)


def test_a_module_that_fails_is_left_as_it_was_found() -> None:
    def fails(self: Any, x: Any) -> Any:
        if len(x) == 3:
            raise RuntimeError("three rows are too many")
        return self.linear(x)

    model = Module(fails).train()
    explainer = DeepExplainer(model, BACKGROUND)
    with pytest.raises(RuntimeError, match="three rows"):
        explainer.explain_local(X)
    assert model.training


def test_an_explainer_is_pickled_with_its_module() -> None:
    explainer = DeepExplainer(network(nn.Softmax(dim=1), outputs=2), BACKGROUND)
    copied = pickle.loads(pickle.dumps(explainer))
    assert np.array_equal(
        copied.explain_local(X).local_importances.values, explainer.explain_local(X).local_importances.values
    )


@pytest.mark.parametrize(
    "arguments", [{}, {"shap_values_output": "margin"}, {"method": "deeplift"}, {"broken_paths": False, "seed": 4}]
)
def test_an_explainer_is_made_again_from_its_state(arguments: dict[str, Any]) -> None:
    many = rows(70, seed=3)
    model = network(nn.Softmax(dim=1), outputs=3)
    explainer = DeepExplainer(model, many, nclusters=4, classes=["a", "b", "c"], features=list("wxyz"), **arguments)
    state = state_of(explainer)
    assert state.background.shape == (4, N_FEATURES)
    assert state.weights.sum() == pytest.approx(1.0)
    again, before = explainer_of(state).explain_local(X), explainer.explain_local(X)
    np.testing.assert_allclose(again.local_importances.values, before.local_importances.values, atol=1e-12)
    assert (again.features, again.classes, again.info.output_space, again.method) == (
        before.features, before.classes, before.info.output_space, before.method,
    )  # fmt: skip


# --- Which networks --------------------------------------------------------------------------------------------------


def lookup() -> Any:
    """A network that looks the first column up."""
    return Module(
        lambda self, x: self.linear(x.float()) + self.table(x[:, 0].long().clamp(0, 2)), table=nn.Embedding(3, 1)
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lookup(), "Embedding layer looks whole numbers up"),
        (network().bfloat16(), "computes in bfloat16"),
        (Module(lambda self, x: self.linear(x) + 0.1 * torch.randn(len(x), 1)), "differently each time"),
        (Module(lambda self, x: self.linear(x - x.mean(dim=0))), "differently among other rows"),
        (Module(lambda self, x: (self.linear(x), x)), "returns a tuple"),
        (Module(lambda self, x: self.linear(x).long()), "returns int64"),
        (nn.Linear(N_FEATURES + 1, 1), "fails on 6 rows of 4 columns"),
        (nn.Bilinear(N_FEATURES, N_FEATURES, 1), "takes 2 inputs"),
        (object(), "no network"),
    ],
)
def test_a_network_that_is_not_explained_says_why(model: Any, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        DeepExplainer(model, BACKGROUND)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "best"}, "method='best'"),
        ({"shap_values_output": "odds"}, "shap_values_output='odds'"),
        ({"shap_values_output": "probability"}, "is a regression"),
        ({"is_classifier": True, "model_task": "regression"}, "contradicts"),
        ({"nclusters": 0}, "nclusters=0"),
        ({"check_additivity": False}, "always held to the network"),
        ({"classes": ["a", "b", "c"]}, "names 3 classes, the model has 2"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        DeepExplainer(network(), BACKGROUND, **arguments)


def test_several_targets_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="2 targets"):
        DeepExplainer(network(outputs=2), BACKGROUND, model_task="regression")


def test_tabular_explainer_takes_a_module_and_says_why() -> None:
    explainer = TabularExplainer(network(nn.Softmax(dim=1), outputs=2), BACKGROUND, classes=["no", "yes"])
    explanation = explainer.explain_global(X)
    assert explanation.method == explainer.method == "expected_gradients"
    assert "torch.Sequential is a deep model, as a torch.Module: expected gradients" in str(explanation.info.reason)
    assert explanation.info.model_type == "torch.nn.modules.container.Sequential"
    assert "torch" in dict(explanation.info.made_with)
    assert explanation.classes == ("no", "yes")


def test_tabular_explainer_leaves_what_is_looked_up_to_kernel_shap() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer = TabularExplainer(lookup(), np.abs(BACKGROUND).round())
    assert explainer.method == "shap_kernel"
    assert "looks whole numbers up" in explainer.reason


def test_tabular_explainer_leaves_a_network_that_jumps_to_kernel_shap_with_a_warning() -> None:
    model = Module(lambda self, x: self.linear(torch.round(x)))
    with pytest.warns(UserWarning, match="miss the model's own output"):
        explainer = TabularExplainer(model, BACKGROUND)
    assert explainer.method == "shap_kernel"
    wanted, _ = exact(lambda x: answers(model, x))
    np.testing.assert_allclose(explainer.explain_local(X).local_importances.values, wanted, atol=1e-5)


def test_other_explainers_take_a_module_too() -> None:
    model = network(nn.Softmax(dim=1), outputs=3)
    wanted, _ = exact(lambda x: answers(model, x))
    kernel = KernelExplainer(model, BACKGROUND).explain_local(X)
    np.testing.assert_allclose(kernel.local_importances.values, wanted, atol=1e-6)
    assert kernel.info.output_space == "probability"
    assert LIMEExplainer(model, BACKGROUND, nsamples=20).explain_local(X).classes == ("0", "1", "2")
    labels = answers(model, X).argmax(axis=1)
    assert PFIExplainer(model).explain_global(X, true_labels=labels).info.task == "classification"


def test_a_module_needs_rows_to_be_tried_with() -> None:
    from explanation_client.explainers.reading import read_model

    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        read_model(network(), background=None, classes=None)


def test_method_auto_says_what_it_became() -> None:
    ruled = DeepExplainer(network(), BACKGROUND, method="auto")
    assert (ruled.method, ruled.how) == ("shap_deep", "DeepLIFT's rules between each background row and the row")
    other = DeepExplainer(Module(lambda self, x: self.linear(torch.sort(x)[0])), BACKGROUND, method="auto")
    assert other.method == "expected_gradients"
    assert any("'sort'" in note for note in other.explain_local(X).info.notes)


def test_deeplift_is_refused_where_an_operation_has_no_rule() -> None:
    with pytest.raises(CannotExplainError, match="on Module: there is no rule for 'sort'"):
        DeepExplainer(Module(lambda self, x: self.linear(torch.sort(x)[0])), BACKGROUND, method="deeplift")
