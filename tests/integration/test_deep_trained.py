"""Networks of PyTorch and skorch that were really trained, and what others say of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explanation_client.explainers import DeepExplainer, KernelExplainer, TabularExplainer
from explanation_client.explainers.deep.state import state_of

pytestmark = pytest.mark.integration

torch = pytest.importorskip("torch")
nn: Any = torch.nn

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Data:
    """A data set of scikit-learn, scaled, in two parts."""

    def __init__(self, load: Any) -> None:
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        bunch = load()
        x = StandardScaler().fit_transform(bunch.data).astype("f4")
        self.x, self.x_test, self.y, self.y_test = train_test_split(x, bunch.target, test_size=0.3, random_state=0)


def trained(model: Any, data: Data, loss: Any, target: NDArray[Any], epochs: int) -> Any:
    """Return a module after some epochs, in training mode as its training loop leaves it."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(epochs):
        for start in range(0, len(data.x), 32):
            batch = slice(start, start + 32)
            optimizer.zero_grad()
            loss(model(torch.tensor(data.x[batch])), torch.tensor(target[batch])).backward()
            optimizer.step()
    return model


@pytest.fixture(scope="module")
def digits() -> tuple[Data, Any]:
    """Digits of 8 x 8 pixels, and a convolutional network of them that returns scores."""
    from sklearn.datasets import load_digits

    data = Data(load_digits)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 32), nn.ReLU(inplace=True), nn.Linear(32, 10),
    )  # fmt: skip
    return data, trained(model, data, nn.functional.cross_entropy, data.y, epochs=6)


@pytest.fixture(scope="module")
def diabetes() -> tuple[Data, Any]:
    """Ten columns about diabetes, and a dense network of their target."""
    from sklearn.datasets import load_diabetes

    data = Data(load_diabetes)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    return data, trained(model, data, nn.functional.mse_loss, (data.y / 100.0).astype("f4"), epochs=20)


def probabilities(model: Any, x: NDArray[Any]) -> Floats:
    was_training = model.training
    with torch.no_grad():
        found = torch.softmax(model.eval()(torch.tensor(x)), dim=1).numpy()
    model.train(was_training)
    return np.asarray(found, np.float64)


def test_digits_are_explained_and_what_is_important_matters(digits: tuple[Data, Any]) -> None:
    data, model = digits
    rows = data.x_test[:30]
    classes = [f"digit {i}" for i in range(10)]
    explainer = TabularExplainer(model, data.x, classes=classes)
    explanation = explainer.explain_global(rows)
    assert explainer.method == "expected_gradients"
    assert model.training
    accuracy = float((probabilities(model, data.x_test).argmax(axis=1) == data.y_test).mean())
    assert accuracy > 0.9

    # Pixels that speak for the digit are replaced by the background's mean: the margin falls further than by chance.
    predicted = probabilities(model, rows).argmax(axis=1)
    local = explanation.local_importances.values[predicted, np.arange(len(rows))]
    mean, rng = data.x.mean(axis=0), np.random.default_rng(0)

    def left(choose: Any) -> float:
        changed = rows.copy()
        for i in range(len(rows)):
            pixels = choose(i)
            changed[i, pixels] = mean[pixels]
        return float(probabilities(model, changed)[np.arange(len(rows)), predicted].mean())

    assert left(lambda i: np.argsort(-local[i])[:10]) < 0.5 * left(lambda i: rng.permutation(64)[:10])


def test_probabilities_of_digits_add_up_and_are_near_those_of_many_orders(digits: tuple[Data, Any]) -> None:
    data, model = digits
    rows = data.x_test[:3]
    explainer = DeepExplainer(model, data.x, shap_values_output="probability", nclusters=4)
    deep = explainer.explain_local(rows)
    sums = deep.local_importances.values.sum(axis=2).T + deep.expected_values
    np.testing.assert_allclose(sums, probabilities(model, rows), atol=1e-5)

    # What each pixel changes when it comes in, on average over orders drawn here, and their reverses.
    state, rng = state_of(explainer), np.random.default_rng(0)
    wanted = np.zeros((10, *rows.shape))
    for background, weight in zip(state.background, state.weights, strict=True):
        for _ in range(15):
            drawn = rng.permutation(64)
            for order in (drawn, drawn[::-1]):
                came = np.argsort(order)[None, :] < np.arange(65)[:, None]
                mixed = np.where(came, rows[:, None], background)
                said = probabilities(model, mixed.reshape(-1, 64)).reshape(len(rows), 65, 10)
                wanted[:, :, order] += weight / 30.0 * np.diff(said, axis=1).transpose(2, 0, 1)
    assert np.corrcoef(deep.local_importances.values.ravel(), wanted.ravel())[0, 1] > 0.9


def test_diabetes_is_near_the_exact_values(diabetes: tuple[Data, Any]) -> None:
    data, model = diabetes
    rows = data.x_test[:30]
    deep = TabularExplainer(model, data.x).explain_global(rows)
    # Ten columns: Kernel SHAP tries all coalitions, for the same background.
    exact = KernelExplainer(model, data.x).explain_global(rows)
    assert deep.method == "expected_gradients"
    wanted = exact.local_importances.values
    assert np.linalg.norm(deep.local_importances.values - wanted) < 0.25 * np.linalg.norm(wanted)
    assert list(deep.get_ranked_global_names(top_k=3)) == list(exact.get_ranked_global_names(top_k=3))
    np.testing.assert_allclose(deep.expected_values, exact.expected_values, rtol=1e-5)


def test_deeplift_is_that_of_shap_where_shap_has_it(digits: tuple[Data, Any], diabetes: tuple[Data, Any]) -> None:
    for data, model in (digits, diabetes):
        # shap's hooks cannot follow what is written over, and want an axis of outputs.
        parts = [nn.ReLU() if isinstance(part, nn.ReLU) else part for part in model]
        plain = nn.Sequential(*[part for part in parts if not (isinstance(part, nn.Flatten) and part.start_dim == 0)])
        background, rows = data.x[:8], data.x_test[:5]
        ours = DeepExplainer(model, background, method="deeplift").explain_local(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap

            theirs = shap.DeepExplainer(plain.eval(), torch.tensor(background)).shap_values(torch.tensor(rows))
        wanted = np.moveaxis(np.asarray(theirs).reshape(len(rows), data.x.shape[1], -1), -1, 0)
        found = ours.local_importances.values
        assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


class Dense(nn.Module):  # type: ignore[misc, name-defined]  # torch is not imported where it is missing
    """A dense network for skorch, of as many columns as it is told."""

    def __init__(self, columns: int, outputs: int = 2, flat: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(columns, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, outputs))
        self.flat = flat

    def forward(self, x: Any) -> Any:
        found = self.layers(x)
        return found.squeeze(1) if self.flat else found


@pytest.fixture(scope="module")
def skorch() -> Any:
    return pytest.importorskip("skorch")


def test_a_pipeline_around_skorch_is_explained_in_raw_columns(skorch: Any) -> None:
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"age": rng.uniform(20, 60, 200), "income": rng.normal(30, 9, 200), "city": rng.choice(["a", "b", "c"], 200)}
    )
    label = ((frame["age"] > 40) ^ (frame["city"] == "a")).to_numpy(np.int64)
    columns = ColumnTransformer([("n", StandardScaler(), ["age", "income"]), ("c", OneHotEncoder(), ["city"])])
    net = skorch.NeuralNetClassifier(
        Dense(5), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.02, max_epochs=20, verbose=0
    )
    clf = make_pipeline(columns, FunctionTransformer(np.float32), net).fit(frame, label)
    state = torch.random.get_rng_state()
    explainer = TabularExplainer(clf, frame, classes=["no", "yes"])
    explanation = explainer.explain_global(frame[:20])
    assert torch.equal(state, torch.random.get_rng_state())
    assert explainer.method == "expected_gradients"
    assert "the last step of the pipeline, skorch.NeuralNetClassifier is a deep model" in explainer.reason
    assert explanation.features == ("age", "income", "city")
    assert explanation.is_raw
    assert explanation.classes == ("no", "yes")
    assert list(explanation.eval_y_predicted) == list(clf.predict(frame[:20]))
    assert next(iter(explanation.get_ranked_global_names())) in ("age", "city")

    # Values are of scores; of probabilities where that is asked for, which are those of skorch.
    steps = clf[:-1]
    carried = DeepExplainer(clf[-1], frame, transformations=steps, shap_values_output="probability")
    local = carried.explain_local(frame[:20])
    sums = local.local_importances.values.sum(axis=2).T + local.expected_values
    np.testing.assert_allclose(sums, clf.predict_proba(frame[:20]), atol=1e-5)


def test_estimators_of_skorch_are_explained_in_float64_too(skorch: Any) -> None:
    from sklearn.model_selection import GridSearchCV

    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4))
    score = x[:, 0] - x[:, 1] * x[:, 2]
    quick = {"optimizer": torch.optim.Adam, "lr": 0.02, "max_epochs": 5, "verbose": 0}
    regressor = skorch.NeuralNetRegressor(Dense(4, outputs=1), **quick)
    regressor.fit(x.astype("f4"), score.astype("f4")[:, None])
    binary = skorch.NeuralNetBinaryClassifier(Dense(4, outputs=1, flat=True), **quick)
    binary.fit(x.astype("f4"), (score > 0).astype("f4"))
    search = GridSearchCV(regressor, {"lr": [0.01, 0.02]}, cv=2, scoring="r2", refit=True)
    search.fit(x.astype("f4"), score.astype("f4")[:, None])
    for net, space in ((regressor, "value"), (binary, "log-odds"), (search, "value")):
        explainer = TabularExplainer(net, x)
        explanation = explainer.explain_local(x[:6])
        assert explainer.method == "expected_gradients"
        assert explanation.info.output_space == space
        sums = explanation.local_importances.values[-1].sum(axis=1) + explanation.expected_values[-1]
        module = getattr(net, "best_estimator_", net).module_
        with torch.no_grad():
            wanted = module.eval()(torch.tensor(x[:6].astype("f4"))).numpy().reshape(-1)
        np.testing.assert_allclose(sums, wanted, atol=1e-5)


def test_a_net_whose_probabilities_are_its_own_invention_falls_to_kernel_shap(skorch: Any) -> None:
    def halved(scores: Any) -> Any:
        return torch.softmax(scores / 2.0, dim=-1)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype("f4")
    net = skorch.NeuralNetClassifier(
        nn.Sequential(Dense(3), nn.Softmax(dim=1)), predict_nonlinearity=halved, max_epochs=2, verbose=0
    ).fit(x, (x[:, 0] > 0).astype("i8"))
    with pytest.warns(UserWarning, match="miss the model's own output"):
        explainer = TabularExplainer(net, x)
    assert explainer.method == "shap_kernel"
