"""DeepLIFT's rules for modules of PyTorch, operation by operation.

Each operation between a background row and a row is replaced by a linear one that gives the same difference: its mean
slope on the straight line between both of its inputs. For a function of one number that is the difference quotient,
which is DeepLIFT's rescale rule (Shrikumar et al. 2017). For a product of two it is the mean of both, and for functions
of several numbers (softmax, normalisation, attention, recurrent layers) the integral of the slopes. A maximum gives
what it gains to the row's largest element, and what it loses to the background row's. Multiplied back through the
network, differences of the inputs add up to the difference of the scores.

Operations are seen as they are called, whether by a layer or a function: nothing is hooked to the module. A first pass
with background rows notes their inputs, a second with the rows follows with the rules. Linear operations are as they
are. An operation that is in no list here is refused by name: it may be linear, or not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from explanation_client.errors import CannotExplainError
from explanation_client.explainers.deep.engines import DEEPLIFT
from explanation_client.explainers.deep.network import Floats
from explanation_client.explainers.deep.torch_network import TorchNetwork, slopes, undisturbed


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Linear in what is explained, or the same for both rows: their slopes are what they are.
LINEAR = _names("""
    add sub subtract rsub neg sum mean linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d batch_norm dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout avg_pool1d
    avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d reshape view view_as flatten
    unflatten squeeze unsqueeze transpose swapaxes permute movedim t T mT contiguous clone expand expand_as
    broadcast_to repeat tile repeat_interleave cat concat concatenate stack hstack vstack chunk split tensor_split
    unbind getitem select narrow index_select gather take_along_dim pad flip roll cumsum diagonal unfold to float
    double type type_as zeros_like ones_like full_like empty_like new_zeros new_ones new_full
""")
# Functions of one number, each by itself.
ELEMENTWISE = _names("""
    relu relu6 leaky_relu rrelu prelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh hardshrink softshrink
    tanhshrink softplus softsign logsigmoid tanh sigmoid special_expit exp expm1 log log1p log2 sqrt rsqrt square abs
    reciprocal sin cos tan sinh cosh asinh atan erf erfc pow clamp clamp_min clamp_max threshold
""")
# Of products of two the slope is linear on the line, so that its middle is its mean.
PRODUCTS = _names("mul multiply matmul mm bmm mv dot bilinear addmm baddbmm addbmm addmv lerp")
# Functions of several numbers at once.
JOINT = _names("""
    softmax log_softmax softmin logsumexp layer_norm group_norm instance_norm rms_norm normalize div true_divide divide
    norm var std einsum prod scaled_dot_product_attention multi_head_attention_forward lstm gru rnn_tanh glu
    cosine_similarity
""")
MAXIMA = {"max_pool1d": 1, "max_pool2d": 2, "max_pool3d": 3}

# Nodes of Gauss's rule: more where fewer do not find what the operation changes, to this share.
_NODES = (8, 16, 64, 256)
_MISS = 1e-6
# Differences under so many roundings of the numbers say nothing of a slope.
_ROUNDINGS = 100.0
# Values of both rows held at a time.
_MAX_VALUES = 1 << 20


class _NoRuleError(Exception):
    """An operation of a module has no rule; no TypeError, which PyTorch's operators take for "not implemented"."""


class RescaleEngine:
    """DeepLIFT SHAP: DeepLIFT's rules between each row and each background row.

    Parameters
    ----------
    network : TorchNetwork
    background : ndarray of float64, shape (B, F)

    Raises
    ------
    CannotExplainError
        The network has an operation without a rule.

    """

    method = DEEPLIFT
    how = "DeepLIFT's rules between each background row and the row"
    n_legs = 1

    def __init__(self, network: TorchNetwork, background: Floats) -> None:
        self._network = network
        self._background = background
        # What cannot be done is said now.
        rescaled(network, background[:1], background[-1:])

    def contributions(self, rows: Floats, scores: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return importances (K, N, B, F), and how many gradients each row and background row took (N, B): one."""
        n_rows, n_background = len(rows), len(self._background)
        starts = np.tile(self._background, (n_rows, 1))
        ends = np.repeat(rows, n_background, axis=0)
        size = max(1, min(self._network.limit // 2, _MAX_VALUES // rows.shape[1]))
        parts = [rescaled(self._network, starts[i : i + size], ends[i : i + size]) for i in range(0, len(starts), size)]
        values = np.concatenate(parts, axis=1)
        return values.reshape(len(values), n_rows, n_background, -1), np.ones((n_rows, n_background), np.intp)


def rescaled(network: TorchNetwork, starts: Floats, ends: Floats) -> Floats:
    """Return importances of the scores (K, P, F) between P pairs of rows, by DeepLIFT's rules.

    Raises
    ------
    CannotExplainError
        The network has an operation without a rule, or its operations differ between rows.

    """
    begin, end = (network.tensor(network.numbers(rows)) for rows in (starts, ends))
    try:
        with undisturbed(network.module):
            with torch.no_grad(), _Notes() as notes:
                network.call(begin.clone())
            x = end.requires_grad_()
            with _Rules(notes.taken):
                scores = network.call(x.clone())[1]
            found = slopes(scores.reshape(len(starts), -1), x)
    except _NoRuleError as error:
        raise CannotExplainError(f"method='deeplift' on {network.name}: {error}; use method='gradients'") from error
    return found * (end - begin).detach().cpu().numpy().astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Note:
    """One operation with background rows: its name, the numbers it got, and whether it wrote over the first."""

    name: str
    tensors: list[torch.Tensor]
    writes_over: bool = False


class _Watch(TorchFunctionMode, ABC):
    """Sees each operation of a module and knows what kind it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = _name(func)
        if name in LINEAR:
            return func(*args, **kwargs)
        if name in ELEMENTWISE or name in PRODUCTS or name in JOINT or name in MAXIMA:
            return self.ruled(name, func, args, kwargs)
        given = _floating((args, kwargs))
        returned = func(*args, **kwargs)
        if given and _floating(returned):
            raise _NoRuleError(f"there is no rule for {name!r}")
        return self.decided(name, returned) if given and isinstance(returned, torch.Tensor) else returned

    @abstractmethod
    def ruled(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """Return what an operation with a rule returns."""

    @abstractmethod
    def decided(self, name: str, returned: torch.Tensor) -> torch.Tensor:
        """Return what is no floating point number, and was made of some: a mask, or positions."""


class _Notes(_Watch):
    """First pass, with background rows: notes the inputs of every operation that has a rule.

    Attributes
    ----------
    taken : list of _Note

    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[_Note] = []

    def ruled(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        # Copies: what was noted may be changed before it is used.
        tensors = [tensor.detach().clone() for tensor in _floating((args, kwargs))]
        version = args[0]._version if args and _is_floating(args[0]) else 0
        returned = func(*args, **kwargs)
        writes_over = bool(args) and _is_floating(args[0]) and args[0]._version != version
        self.taken.append(_Note(name, tensors, writes_over))
        return returned

    def decided(self, name: str, returned: torch.Tensor) -> torch.Tensor:
        self.taken.append(_Note(name, [returned.clone()]))
        return returned


class _Rules(_Watch):
    """Second pass, with rows: every operation that has a rule gets the mean slope for its slope."""

    def __init__(self, taken: Sequence[_Note]) -> None:
        super().__init__()
        self._taken = iter(taken)

    def ruled(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        leaves, form = tree_flatten((args, kwargs))
        places = [i for i, leaf in enumerate(leaves) if _is_floating(leaf)]
        # Copies here too, which are kept for the way back.
        ends = [leaves[i].clone() for i in places]
        note = self._next(name, ends)

        def run(*tensors: torch.Tensor) -> Any:
            filled = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor.clone() if note.writes_over else tensor
            given, named = tree_unflatten(filled, form)
            return func(*given, **named)

        made = self._made(name, run, ends, note.tensors, func, args, kwargs)
        return args[0].copy_(made) if note.writes_over else made

    def _made(
        self,
        name: str,
        run: Callable[..., Any],
        ends: list[torch.Tensor],
        starts: list[torch.Tensor],
        func: Any,
        args: Any,
        kwargs: Any,
    ) -> Any:
        if name in MAXIMA:
            windows = _with_positions(func, args, kwargs)
            return _Maximum.apply(ends[0], starts[0], windows, MAXIMA[name])  # type: ignore[no-untyped-call]
        # A power has two numbers, of which mostly one is fixed.
        others = all(torch.equal(end, start) for end, start in zip(ends[1:], starts[1:], strict=True))
        if name in ELEMENTWISE and others:
            return _Quotient.apply(  # type: ignore[no-untyped-call]
                ends[0], starts[0], lambda tensor: run(tensor, *ends[1:])
            )
        return _Line.apply(run, name in PRODUCTS, len(ends), *ends, *starts)  # type: ignore[no-untyped-call]

    def decided(self, name: str, returned: torch.Tensor) -> torch.Tensor:
        if not torch.equal(self._next(name, [returned]).tensors[0], returned):
            raise _NoRuleError(f"it decides by {name!r}, differently for one row than for another")
        return returned

    def _next(self, name: str, tensors: list[torch.Tensor]) -> _Note:
        """Return what the same operation had for the background rows."""
        note = next(self._taken, _Note("nothing", []))
        if note.name != name or [t.shape for t in note.tensors] != [t.shape for t in tensors]:
            raise _NoRuleError(f"it does {name!r} for one row where it does {note.name!r} for another")
        return note


class _Quotient(torch.autograd.Function):
    """A function of one number, with the difference quotient for its slope."""

    @staticmethod
    def forward(ctx: Any, end: Any, start: Any, run: Callable[[Any], Any]) -> Any:
        made = run(end)
        ctx.run = run
        ctx.save_for_backward(end, start, made, run(start))
        return made

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        end, start, made, before = ctx.saved_tensors
        move = end - start
        least = _ROUNDINGS * torch.finfo(end.dtype).eps * torch.maximum(end.abs(), start.abs()).clamp(min=1e-3)
        with torch.enable_grad():
            middle = ((end + start) / 2).detach().requires_grad_()
            (slope,) = torch.autograd.grad(ctx.run(middle).sum(), middle)
        far = move.abs() > least
        quotient = torch.where(far, (made - before) / torch.where(far, move, 1.0), slope)
        return slopes[0] * quotient, None, None


class _Line(torch.autograd.Function):
    """A function of several numbers, with the mean of its slopes on the line between both of its inputs."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., Any], is_product: bool, n: int, *tensors: Any) -> Any:
        ctx.run, ctx.is_product, ctx.n = run, is_product, n
        ctx.save_for_backward(*tensors)
        return run(*tensors[:n])

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        ends, starts = ctx.saved_tensors[: ctx.n], ctx.saved_tensors[ctx.n :]
        wanted = [i for i in range(ctx.n) if ctx.needs_input_grad[3 + i]]
        change = None if ctx.is_product else _change(ctx.run, starts, ends, slopes)
        for n_nodes in (1,) if ctx.is_product else _NODES:
            sums = _mean_slopes(ctx.run, starts, ends, slopes, wanted, n_nodes)
            if change is None:
                break
            found = sum(float((slope * (ends[i] - starts[i])).abs().sum()) for i, slope in sums.items())
            told = sum(float((slope * (ends[i] - starts[i])).sum()) for i, slope in sums.items())
            if abs(told - change) <= _MISS * found:
                break
        return None, None, None, *(sums.get(i) for i in range(ctx.n)), *[None] * ctx.n


def _mean_slopes(
    run: Callable[..., Any], starts: Any, ends: Any, slopes: Any, wanted: Sequence[int], n_nodes: int
) -> dict[int, torch.Tensor]:
    """Return the mean slopes by the inputs that are wanted, on the line, weighed with the slopes of the outputs."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    sums: dict[int, torch.Tensor] = {}
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        with torch.enable_grad():
            points = [
                (start + (node + 1.0) / 2.0 * (end - start)).detach().requires_grad_(i in wanted)
                for i, (end, start) in enumerate(zip(ends, starts, strict=True))
            ]
            # As one number: slopes of several tensors would make PyTorch load a library of symbols first.
            total = torch.stack([(made * slope).sum() for made, slope in _paired(run(*points), slopes)]).sum()
            found = torch.autograd.grad(total, [points[i] for i in wanted], allow_unused=True)
        for i, slope in zip(wanted, found, strict=True):
            if slope is not None:
                sums[i] = sums.get(i, 0.0) + slope * (weight / 2.0)
    return sums


def _paired(returned: Any, slopes: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the outputs of an operation that something comes back to, with that."""
    made = returned if isinstance(returned, tuple) else (returned,)
    return [(m, s) for m, s in zip(made, slopes, strict=True) if s is not None and _is_floating(m)]


def _change(run: Callable[..., Any], starts: Any, ends: Any, slopes: Any) -> float:
    """Return what an operation changes between both of its inputs, weighed with the slopes of the outputs."""
    before, after = _paired(run(*starts), slopes), _paired(run(*ends), slopes)
    return sum(float((slope * (m - b)).sum()) for (b, slope), (m, _) in zip(before, after, strict=True))


class _Maximum(torch.autograd.Function):
    """Largest elements of windows: what is gained goes to the row's largest, what is lost to the background row's."""

    @staticmethod
    def forward(ctx: Any, end: Any, start: Any, run: Callable[[Any], tuple[Any, Any]], n_axes: int) -> Any:
        (made, places), (before, former) = run(end), run(start)
        ctx.n_axes = n_axes
        ctx.save_for_backward(end - start, made - before, torch.where(made >= before, places, former))
        return made

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        move, gain, places = ctx.saved_tensors
        flat = move.flatten(-ctx.n_axes)
        where = places.flatten(-ctx.n_axes)
        moved = flat.gather(-1, where)
        # Where it moves at all it moves at least as far as the maximum, in the same direction.
        still = moved == 0.0
        share = torch.where(still, 0.0, gain.flatten(-ctx.n_axes) / torch.where(still, 1.0, moved))
        found = torch.zeros_like(flat).scatter_add(-1, where, share * slopes[0].flatten(-ctx.n_axes))
        return found.reshape(move.shape), None, None, None


def _with_positions(func: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return a function that gives the maxima of windows of a tensor, and their positions."""
    if kwargs.get("return_indices"):
        raise _NoRuleError("there is no rule for positions of maxima")
    return lambda tensor: func(tensor, *args[1:], **{**kwargs, "return_indices": True})


def _name(func: Any) -> str:
    """Return the name of an operation, the same for function, operator, and where it writes over its input."""
    name = str(getattr(func, "__name__", func))
    if name == "__get__":
        return str(getattr(func.__self__, "__name__", name))
    if name.startswith("__") and name.endswith("__"):
        bare = name[2:-2]
        if bare[:1] in ("i", "r") and bare[1:] in ("add", "sub", "mul", "matmul", "truediv", "pow"):
            bare = bare[1:]
        return _OPERATORS.get(bare, bare)
    return name.rstrip("_")


_OPERATORS = {"truediv": "div"}


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point()


def _floating(values: Any) -> list[torch.Tensor]:
    """Return the tensors of floating point numbers among the arguments or results of an operation."""
    return [leaf for leaf in tree_flatten(values)[0] if _is_floating(leaf)]
