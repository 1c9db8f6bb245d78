"""Small networks of every kind of layer, trained in seconds on eight features, and what is exact of them.

Each framework is imported only where its networks are made: Keras computes with one backend in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]

N_FEATURES = 8
_RNG = np.random.default_rng(0)
X = (_RNG.normal(size=(400, N_FEATURES)) @ (np.eye(N_FEATURES) + 0.3 * _RNG.normal(size=(N_FEATURES,) * 2))).astype(
    "f4"
)
_SCORE = 2.0 * X[:, 0] - X[:, 1] + X[:, 0] * X[:, 2] + np.sin(2.0 * X[:, 3]) + np.abs(X[:, 4])
TARGETS: dict[str, NDArray[Any]] = {
    "value": ((_SCORE - _SCORE.mean()) / _SCORE.std()).astype("f4"),
    "two": (np.median(_SCORE) < _SCORE).astype("f4"),
    "three": np.digitize(_SCORE, np.quantile(_SCORE, [0.33, 0.66])),
}
TRAINED, BACKGROUND, ROWS = X[:300], X[:10], X[300:312]


@dataclass(frozen=True)
class Case:
    """A kind of network: how it is made and trained, and how it answers a table.

    Parameters
    ----------
    name : str
    make : callable
        Returns a trained network, in training mode where the framework has one.
    predict : callable
        From a network and rows to what it answers, (N, K), asked as its users would.
    is_classifier : bool

    """

    name: str
    make: Callable[[], Any]
    predict: Callable[[Any, Floats], Floats]
    is_classifier: bool = False


def shapley(predict: Predict, rows: Floats, background: Floats) -> Floats:
    """Return the Shapley values (K, N, F) of predictions, from all coalitions of features."""
    n_features = rows.shape[1]
    masks = np.array(list(product((False, True), repeat=n_features)))
    sizes = masks.sum(axis=1)[:, None] - masks
    share = np.array([1.0 / (n_features * comb(n_features - 1, s)) for s in range(n_features)])[sizes]
    weights = np.where(masks, share, -share)
    found = []
    for row in rows:
        mixed = np.where(masks[:, None, :], row, background)
        worth = predict(mixed.reshape(-1, n_features)).reshape(len(masks), len(background), -1).mean(axis=1)
        found.append(worth.T @ weights)
    return np.stack(found, axis=1)


def torch_cases() -> Iterator[Case]:
    """Yield networks of PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Layered(nn.Module):
        """What a function makes of rows, with layers that it names."""

        def __init__(self, function: Callable[..., Any], **layers: nn.Module) -> None:
            super().__init__()
            self.function = function
            for name, layer in layers.items():
                setattr(self, name, layer)

        def forward(self, x: torch.Tensor) -> Any:
            return self.function(self, x)

    def dense(activation: Callable[[], nn.Module], outputs: int = 1) -> list[nn.Module]:
        hidden = [nn.Linear(N_FEATURES, 32), activation(), nn.Linear(32, 32), activation()]
        return [*hidden, nn.Linear(32, outputs)]

    def by_function(activation: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
        return Layered(
            lambda self, x: self.c(activation(self.b(activation(self.a(x))))),
            a=nn.Linear(N_FEATURES, 32), b=nn.Linear(32, 32), c=nn.Linear(32, 1),
        )  # fmt: skip

    def normalised() -> nn.Module:
        parts = [[nn.Linear(n, 32), nn.LayerNorm(32), nn.GELU()] for n in (N_FEATURES, 32)]
        return nn.Sequential(*parts[0], *parts[1], nn.Linear(32, 1))

    def batched() -> nn.Module:
        parts = [[nn.Linear(n, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1)] for n in (N_FEATURES, 32)]
        return nn.Sequential(*parts[0], *parts[1], nn.Linear(32, 1))

    def convolved() -> nn.Module:
        layers = nn.Sequential(
            nn.Conv1d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32, 1),
        )  # fmt: skip
        return Layered(lambda self, x: self.layers(x.unsqueeze(1)), layers=layers)

    def recurrent(cell: Callable[..., nn.Module]) -> nn.Module:
        return Layered(
            lambda self, x: self.last(self.cell(x.unsqueeze(2))[0][:, -1]),
            cell=cell(1, 16, batch_first=True), last=nn.Linear(16, 1),
        )  # fmt: skip

    def transformer() -> nn.Module:
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        return Layered(
            lambda self, x: self.last(self.encoder(self.first(x.unsqueeze(2)) + self.places).mean(dim=1)),
            first=nn.Linear(1, 16), places=nn.Parameter(0.3 * torch.randn(N_FEATURES, 16)), last=nn.Linear(16, 1),
            encoder=nn.TransformerEncoder(layer, 1, enable_nested_tensor=False),
        )  # fmt: skip

    def predict(model: nn.Module, rows: Floats) -> Floats:
        was_training = model.training
        with torch.no_grad():
            found = model.eval()(torch.tensor(rows, dtype=torch.float32)).numpy()
        model.train(was_training)
        return np.asarray(found, np.float64).reshape(len(rows), -1)

    losses = {
        "value": functional.mse_loss,
        "two": functional.binary_cross_entropy,
        "three": lambda out, y: functional.nll_loss(torch.log(out + 1e-7), y),
        "scores": functional.cross_entropy,
    }

    def case(name: str, make: Callable[[], nn.Module], loss: str = "value", epochs: int = 15) -> Case:
        def trained() -> nn.Module:
            torch.manual_seed(0)
            model = make().train()
            target = torch.tensor(TARGETS["three" if loss == "scores" else loss][:300])
            optimizer = torch.optim.Adam(model.parameters(), 5e-3)
            for _ in range(epochs):
                for start in range(0, 300, 30):
                    batch = slice(start, start + 30)
                    made = model(torch.tensor(TRAINED[batch]))
                    made = made.reshape(-1) if made.shape[-1] == 1 else made
                    optimizer.zero_grad()
                    losses[loss](made, target[batch]).backward()
                    optimizer.step()
            return model

        return Case(name, trained, predict, loss != "value")

    yield case("dense, ReLU", lambda: nn.Sequential(*dense(nn.ReLU)))
    yield case("dense, tanh", lambda: nn.Sequential(*dense(nn.Tanh)))
    yield case("batch normalisation, dropout", batched)
    yield case("three scores", lambda: nn.Sequential(*dense(nn.ReLU, 3)), "scores", epochs=5)
    yield case("softmax at the end", lambda: nn.Sequential(*dense(nn.ReLU, 3), nn.Softmax(dim=1)), "three", epochs=5)
    yield case("sigmoid at the end", lambda: nn.Sequential(*dense(nn.ReLU), nn.Sigmoid()), "two", epochs=5)
    yield case("one output without an axis", lambda: nn.Sequential(*dense(nn.ReLU), nn.Flatten(0)))
    yield case("convolution, ReLU, largest of windows", convolved)
    yield case("one ReLU layer used twice", lambda: _twice(nn, dense))
    yield case("functional ReLU", lambda: by_function(functional.relu))
    yield case("functional GELU", lambda: by_function(functional.gelu))
    yield case("layer normalisation, GELU", normalised)
    yield case("LSTM", lambda: recurrent(nn.LSTM))
    yield case("GRU", lambda: recurrent(nn.GRU))
    yield case("transformer encoder", transformer)


def _twice(nn: Any, dense: Callable[..., list[Any]]) -> Any:
    activation = nn.ReLU()
    return nn.Sequential(*dense(lambda: activation))


def keras_cases() -> Iterator[Case]:
    """Yield networks of Keras, with the backend that it has in this process."""
    import keras

    layers = keras.layers

    class Subclassed(keras.Model):  # type: ignore[misc]  # Keras is not everywhere
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.last = layers.Dense(32, "relu"), layers.Dense(3, "softmax")

        def call(self, x: Any) -> Any:
            return self.last(self.hidden(x))

    def sequential(*parts: Any) -> Callable[[], Any]:
        return lambda: keras.Sequential([layers.Input((N_FEATURES,)), *(part() for part in parts)])

    def dense(*arguments: Any) -> Callable[[], Any]:
        return lambda: layers.Dense(*arguments)

    def functional_model() -> Any:
        inputs = layers.Input((N_FEATURES,))
        hidden = layers.LayerNormalization()(layers.Dense(32, "gelu")(inputs))
        joined = layers.Concatenate()([hidden, layers.Dense(8, "tanh")(inputs)])
        return keras.Model(inputs, layers.Dense(1)(joined))

    def predict(model: Any, rows: Floats) -> Floats:
        return np.asarray(model.predict(rows.astype("f4"), verbose=0, batch_size=1 << 14), np.float64)

    losses = {
        "value": "mse",
        "two": "binary_crossentropy",
        "three": "sparse_categorical_crossentropy",
        "scores": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }

    def case(name: str, make: Callable[[], Any], loss: str = "value", epochs: int = 15) -> Case:
        def trained() -> Any:
            keras.utils.set_random_seed(0)
            model = make()
            model.compile(keras.optimizers.Adam(5e-3), losses[loss])
            target = TARGETS["three" if loss == "scores" else loss][:300]
            model.fit(TRAINED, target, epochs=epochs, batch_size=30, verbose=0)
            return model

        return Case(name, trained, predict, loss != "value")

    tokens = (lambda: layers.Reshape((N_FEATURES, 1)),)
    yield case("Sequential: dense, ReLU", sequential(dense(32, "relu"), dense(32, "relu"), dense(1)))
    yield case(
        "Sequential: batch normalisation, dropout",
        sequential(dense(32, "relu"), layers.BatchNormalization, lambda: layers.Dropout(0.1), dense(1)),
    )
    yield case("Sequential: three scores", sequential(dense(32, "tanh"), dense(3)), "scores", epochs=5)
    yield case("Sequential: softmax at the end", sequential(dense(32, "relu"), dense(3, "softmax")), "three", epochs=5)
    yield case("Sequential: sigmoid at the end", sequential(dense(32, "relu"), dense(1, "sigmoid")), "two", epochs=5)
    yield case(
        "Sequential: convolution, largest of windows",
        sequential(
            *tokens, lambda: layers.Conv1D(8, 3, padding="same", activation="relu"), layers.MaxPooling1D,
            layers.Flatten, dense(1),
        ),
    )  # fmt: skip
    yield case("Sequential: LSTM", sequential(*tokens, lambda: layers.LSTM(8), dense(1)), epochs=5)
    yield case("Functional: GELU, layer normalisation, two branches", functional_model)
    yield case("subclassed: softmax at the end", Subclassed, "three", epochs=5)
