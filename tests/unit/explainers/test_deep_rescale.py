"""DeepLIFT's rules, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explanation_client.explainers import DeepExplainer
from explanation_client.explainers.deep.estimators import read_network

torch = pytest.importorskip("torch")
nn: Any = torch.nn
functional: Any = torch.nn.functional

Array = NDArray[np.float64]
N_FEATURES = 6
STARTS, ENDS = np.random.default_rng(0).normal(size=(2, 5, N_FEATURES))


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Module(nn.Module):  # type: ignore[misc, name-defined]  # torch is not imported where it is missing
    """A module of float64 that does what a function says, with two linear layers and others."""

    def __init__(self, function: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.last = nn.Linear(N_FEATURES, 8), nn.Linear(8, 2)
            for name, layer in layers.items():
                setattr(self, name, layer())
        self.function = function
        self.double()

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def layered(inner: Callable[..., Any], **layers: Any) -> Any:
    """A linear layer, something between, a linear layer."""
    return Module(lambda self, x: self.last(inner(self, self.first(x))), **layers)


def with_shortcut(self: Any, x: Any) -> Any:
    """Writes over what the shortcut adds afterwards."""
    inner = self.first(x)
    bent = inner.clone()
    functional.relu(bent, inplace=True)
    functional.leaky_relu(bent, 0.1, True)
    bent *= inner
    bent.tanh_().add_(1.0)
    inner += functional.relu(inner)
    return self.last(bent + inner)


def attention(self: Any, x: Any) -> Any:
    """Attention by hand: products of what is explained with itself."""
    tokens = x.reshape(-1, 3, 2)
    weights = functional.softmax(tokens @ tokens.transpose(1, 2) / 2.0, dim=-1)
    return self.last(torch.cat([(weights @ tokens).flatten(1), x[:, :2]], dim=1))


def recurrent(self: Any, x: Any) -> Any:
    return self.last(self.cell(x.unsqueeze(2))[0][:, -1])


ENCODER = {"d_model": 8, "nhead": 2, "dim_feedforward": 8, "batch_first": True}
MODULES = {
    "functional relu, twice": layered(lambda _, x: functional.relu(functional.relu(x) - 0.1)),
    "one ReLU, twice": layered(lambda self, x: self.act(self.act(x) - 0.1), act=nn.ReLU),
    "written over": Module(with_shortcut),
    "gelu, elu, softplus": layered(lambda _, x: functional.softplus(functional.elu(functional.gelu(x)))),
    "leaky, tanh, sigmoid": layered(lambda _, x: torch.sigmoid(torch.tanh(functional.leaky_relu(x, 0.2)))),
    "operators": layered(lambda _, x: (2.0 - x) * x.exp() / (1.0 + x**2) - abs(x) ** 1.5),
    "a power of both": layered(lambda _, x: x.exp() ** torch.sigmoid(x)),
    "norms and dropout": layered(
        lambda self, x: self.drop(self.batch(self.layer(x))),
        layer=lambda: nn.LayerNorm(8), batch=lambda: nn.BatchNorm1d(8), drop=lambda: nn.Dropout(0.5),
    ),
    "convolution, maxima": layered(
        lambda self, x: self.pool(functional.relu(self.conv(x.unsqueeze(1)))).flatten(1),
        conv=lambda: nn.Conv1d(1, 2, 3, padding=1), pool=lambda: nn.MaxPool1d(2),
    ),
    "images": layered(
        lambda self, x: functional.max_pool2d(self.conv(x.view(-1, 1, 4, 2)), 2).flatten(1),
        conv=lambda: nn.Conv2d(1, 4, 3, padding=1),
    ),
    "attention by hand": Module(attention),
    "einsum": layered(lambda _, x: torch.einsum("ni,nj,nk->nk", x, x, x)),
    "LSTM": Module(recurrent, cell=lambda: nn.LSTM(1, 8, batch_first=True)),
    "GRU": Module(recurrent, cell=lambda: nn.GRU(1, 8, batch_first=True)),
    "encoder": layered(
        lambda self, x: self.encoder(x.unsqueeze(1) * self.places).mean(dim=1),
        encoder=lambda: nn.TransformerEncoderLayer(**ENCODER), places=lambda: nn.Parameter(torch.randn(3, 8)),
    ),
}  # fmt: skip


def contributions(model: Any, starts: Array = STARTS, ends: Array = ENDS) -> tuple[Array, Array]:
    """Return what each feature contributes between pairs of rows (K, P, F), and what the model changes by (P, K)."""
    from explanation_client.explainers.deep.rescale import rescaled

    network = read_network(model.eval(), starts)
    with torch.no_grad():
        change = model(torch.tensor(ends)) - model(torch.tensor(starts))
    return rescaled(network, starts, ends), change.numpy()  # type: ignore[arg-type]  # of PyTorch, as read


@pytest.mark.parametrize("name", MODULES)
def test_contributions_add_up(name: str) -> None:
    found, change = contributions(MODULES[name])
    # Functions of several numbers are integrated to a millionth of what they change; all else is exact.
    np.testing.assert_allclose(found.sum(axis=2).T, change, rtol=0, atol=1e-5 * np.abs(change).max())


def test_a_function_of_one_number_has_its_difference_quotient_for_a_slope() -> None:
    model = layered(lambda _, x: functional.relu(x))
    found, _ = contributions(model)
    first, last = (layer.weight.detach().numpy() for layer in (model.first, model.last))
    begin, end = (rows @ first.T + model.first.bias.detach().numpy() for rows in (STARTS, ENDS))
    quotient = (np.maximum(end, 0.0) - np.maximum(begin, 0.0)) / (end - begin)
    wanted = np.einsum("kh,ph,hf,pf->kpf", last, quotient, first, ENDS - STARTS)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_a_product_is_shared_equally() -> None:
    model = Module(lambda _, x: x[:, 0] * x[:, 1])
    found, _ = contributions(model)
    middle = (STARTS + ENDS) / 2.0
    moved = ENDS - STARTS
    np.testing.assert_allclose(
        found[0, :, :2], np.column_stack([middle[:, 1] * moved[:, 0], middle[:, 0] * moved[:, 1]])
    )
    assert (found[0, :, 2:] == 0.0).all()


def test_a_maximum_gives_its_gain_to_the_largest_and_its_loss_to_what_was() -> None:
    model = Module(lambda _, x: functional.max_pool1d(x.unsqueeze(1), N_FEATURES).flatten(1))
    starts = np.array([[0.0, 1.0, 5.0, 2.0, 0.0, 0.0], [0.0, 1.0, 5.0, 2.0, 0.0, 0.0]])
    ends = np.array([[0.0, 7.0, 6.0, 2.0, 0.0, 0.0], [0.0, 3.0, 1.0, 2.0, 0.0, 0.0]])
    found, _ = contributions(model, starts, ends)
    np.testing.assert_allclose(found[0], [[0.0, 2.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -2.0, 0.0, 0.0, 0.0]])


def test_equal_rows_differ_by_nothing() -> None:
    for name in ("functional relu, twice", "convolution, maxima", "operators"):
        found, _ = contributions(MODULES[name], STARTS, STARTS)
        assert (found == 0.0).all()


def in_turns(self: Any, x: Any) -> Any:
    """Another function at every call."""
    self.turn = not getattr(self, "turn", False)
    return x.exp() if self.turn else x.tanh()


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (lambda _, x: torch.sort(x)[0], "no rule for 'sort'"),
        (lambda _, x: x.detach(), "no rule for 'detach'"),
        (lambda _, x: torch.where(x > 0.0, x, -x), "'where'|decides by 'gt'"),
        (lambda _, x: x * (x > 0.0), "decides by 'gt'"),
        (
            in_turns,
            "does 'exp' for one row where it does 'tanh' for another|does 'tanh' for one row where it does 'exp'",
        ),
    ],
)
def test_what_has_no_rule_is_refused_by_name(inner: Callable[..., Any], message: str) -> None:
    from explanation_client.errors import CannotExplainError

    with pytest.raises(CannotExplainError, match=message):
        contributions(layered(inner))


def test_values_are_the_mean_over_background_rows() -> None:
    model = MODULES["gelu, elu, softplus"]
    explanation = DeepExplainer(model, STARTS, method="deeplift", model_task="classification").explain_local(ENDS[:1])
    each = [contributions(model, STARTS[b : b + 1], ENDS[:1])[0][:, 0] for b in range(len(STARTS))]
    np.testing.assert_allclose(explanation.local_importances.values[:, 0], np.mean(each, axis=0), atol=1e-12)
    assert explanation.method == "shap_deep"
