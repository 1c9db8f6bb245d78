"""Networks that PyTorch computes: modules, and models of Keras with its PyTorch backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from explanation_client.explainers.deep.network import Head, Network, as_numbers
from explanation_client.explainers.deep.recognise import has_lookups

# What may be kept for the way back through a network, and the rows at most that it is given at a time.
_MAX_BYTES = 1 << 27
_MAX_ROWS = 4096
_PROBABILITIES: dict[str, Head] = {"softmax": "softmax", "sigmoid": "sigmoid", "special_expit": "sigmoid"}
# Functions that only change the shape of what a head returned.
_SHAPES = frozenset({"squeeze", "unsqueeze", "reshape", "view", "flatten", "__getitem__", "contiguous", "select"})


class TorchNetwork(Network):
    """A module of PyTorch, called with one tensor of rows (N, F).

    Parameters
    ----------
    module : torch.nn.Module
    rows : table of shape (N, F)
        Rows to try it with.

    Raises
    ------
    UnsupportedModelError
        It does not take such rows, or what it returns is no table of numbers.

    """

    packages: tuple[str, ...] = ("torch",)

    def __init__(self, module: Any, rows: Any) -> None:
        self.module = module
        self._known = _a_weight(module)
        super().__init__(type(module).__qualname__, numpy_type(self._known), rows)

    def call(self, x: torch.Tensor) -> tuple[Any, Any, Head]:
        """Return what the module returns, what goes into its head, and the head."""
        with _Heads() as heads:
            returned = self.module(x)
        return (returned, *heads.behind(returned))

    def tensor(self, points: NDArray[Any]) -> torch.Tensor:
        """Return rows as a tensor, where the module's weights are."""
        made = torch.tensor(points, device=self._known.device)
        return made.to(self._known.dtype) if made.is_floating_point() else made

    def numbers(self, rows: Any) -> NDArray[Any]:
        """Return rows as a dense array of the type that the module takes."""
        return as_module_takes(self.module, rows)

    def _run(self, points: NDArray[Any]) -> tuple[Any, Any, Head]:
        with undisturbed(self.module), torch.no_grad():
            returned, scores, head = self.call(self.tensor(points))
        return _array(returned), _array(scores), head

    def _slopes(self, points: NDArray[Any]) -> tuple[Any, Any]:
        with undisturbed(self.module):
            x = self.tensor(points).requires_grad_()
            # Not the leaf itself, which a module could not change in place.
            scores = self.call(x.clone())[1]
            return _array(scores), slopes(scores.reshape(len(points), -1), x)

    def _find_limit(self, points: NDArray[Any]) -> int:
        one, two = (self._kept_bytes(np.repeat(points[:1], n, axis=0)) for n in (1, 2))
        return int(min(_MAX_ROWS, max(1, _MAX_BYTES // max(1, two - one))))

    def _kept_bytes(self, points: NDArray[Any]) -> int:
        """Return how many bytes PyTorch keeps of some rows for the way back."""
        kept = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += tensor.element_size() * tensor.numel()
            return tensor

        x = self.tensor(points)
        if x.is_floating_point():
            with undisturbed(self.module), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
                self.call(x.requires_grad_().clone())
        return kept


class KerasTorchNetwork(TorchNetwork):
    """A model of Keras with its PyTorch backend."""

    packages = ("keras", "torch")

    def call(self, x: torch.Tensor) -> tuple[Any, Any, Head]:
        """Return what the model returns, what goes into its head, and the head."""
        with _Heads() as heads:
            returned = self.module(x, training=False)
        return (returned, *heads.behind(returned))


def as_module_takes(module: Any, rows: Any) -> NDArray[Any]:
    """Return rows as a dense array of a module's type of number; whole numbers as they are for one that looks them up.

    Raises
    ------
    InvalidArgumentError
        There is something else in them than numbers.

    """
    if isinstance(rows, np.ndarray) and rows.dtype.kind in "iu" and has_lookups(module):
        return rows.astype(np.int64)
    return as_numbers(rows, numpy_type(_a_weight(module)), type(module).__qualname__)


def numpy_type(tensor: torch.Tensor) -> np.dtype[Any]:
    """Return the numpy type of a tensor's numbers; float32 for types that numpy has not."""
    return np.dtype(str(tensor.dtype).removeprefix("torch.")) if tensor.dtype != torch.bfloat16 else np.dtype("f4")


def _a_weight(module: Any) -> torch.Tensor:
    """Return some weight of a module, that says where and in which type of number it computes."""
    weights = chain(module.parameters(), module.buffers())
    return next((tensor for tensor in weights if tensor.is_floating_point()), torch.empty(0))


def slopes(scores: torch.Tensor, x: torch.Tensor) -> NDArray[np.float64]:
    """Return the gradients of each column of scores (N, K) by x, (K, N, F); 0 where it does not depend on x."""
    n_columns = scores.shape[1]
    found = np.zeros((n_columns, *x.shape))
    if scores.requires_grad:
        for k in range(n_columns):
            (slope,) = torch.autograd.grad(scores[:, k].sum(), x, retain_graph=k + 1 < n_columns, allow_unused=True)
            if slope is not None:
                found[k] = _array(slope)
    return found


@contextmanager
def undisturbed(module: Any) -> Iterator[None]:
    """Put a module into evaluation mode, with gradients by its inputs; at the end all is as it was found.

    What is put back: the mode of each part, the states of random generators, whether gradients and automatic mixed
    precision are on. Parameters get no gradients.
    """
    trained = [part for part in module.modules() if part.training]
    devices = {tensor.device for tensor in module.parameters() if tensor.device.type == "cuda"}
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(list(devices)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if devices and any(isinstance(part, torch.nn.RNNBase) for part in module.modules()):
            # cuDNN's recurrent layers have no way back in evaluation mode.
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            for part in trained:
                part.training = False
            yield
        finally:
            for part in trained:
                part.training = True


class _Heads(TorchFunctionMode):
    """Watches for the softmax or sigmoid that a module ends with, and for what goes into it."""

    def __init__(self) -> None:
        super().__init__()
        # By identity of what was returned, which is kept too: identities of what is gone are used again.
        self._seen: dict[int, tuple[Any, Any, Head]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        returned = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        given = args[0] if args else kwargs.get("input")
        head = _PROBABILITIES.get(name)
        if head == "sigmoid" or (head == "softmax" and _is_last(returned, args, kwargs)):
            self._seen[id(returned)] = returned, given, head
        elif name in _SHAPES and id(given) in self._seen:
            _, scores, head = self._seen[id(given)]
            if head == "sigmoid" or returned.shape == given.shape:
                self._seen[id(returned)] = returned, func(scores, *args[1:], **kwargs), head
        return returned

    def behind(self, returned: Any) -> tuple[Any, Head]:
        """Return what goes into the head, and the head; what was returned and "none" where there is no head."""
        _, scores, head = self._seen.get(id(returned), (None, returned, "none"))
        return scores, head


def _is_last(returned: Any, args: Any, kwargs: Any) -> bool:
    """Whether a softmax was taken along the columns of a table of rows."""
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return returned.ndim == 2 and axis in (-1, 1, None)


def _array(returned: Any) -> Any:
    """Return a tensor as an array, anything else as it is."""
    if not isinstance(returned, torch.Tensor):
        return returned
    # numpy has no bfloat16.
    plain = returned.float() if returned.dtype == torch.bfloat16 else returned
    return plain.detach().cpu().numpy()
