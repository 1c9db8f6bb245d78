"""A network of PyTorch as a list of operations and the arrays that they use, and back: no code, no pickle.

``torch.export`` writes down what a module does with a table of rows. Each operation is named in a list here; what comes
back calls the same functions of PyTorch one after the other, with gradients.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, InvalidArgumentError
from explanation_client.explainers.deep.torch_network import numpy_type, undisturbed

Array = NDArray[Any]

# Operations that compute and do nothing else. All but a few are functions of torch of the same name.
_NAMES = (
    "abs", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "add", "addmm", "alpha_dropout",
    "amax", "amin", "avg_pool1d", "avg_pool2d", "baddbmm", "batch_norm", "bmm", "cat", "celu", "chunk", "clamp",
    "clamp_max", "clamp_min", "clone", "constant_pad_nd", "contiguous", "conv1d", "conv2d", "cos", "cumsum",
    "div", "dropout", "einsum", "elu", "eq", "erf", "exp", "expand", "expand_as", "expm1", "feature_dropout",
    "flatten", "flip", "gather", "ge", "gelu", "glu", "group_norm", "gru", "gt", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "index_select", "instance_norm", "layer_norm", "le", "leaky_relu", "linear", "log",
    "log1p", "log_softmax", "logical_not", "logsumexp", "lstm", "lt", "masked_fill", "matmul", "max_pool1d",
    "max_pool2d", "maximum", "mean", "minimum", "mish", "mm", "movedim", "mul", "narrow", "ne", "neg",
    "ones_like", "pad", "permute", "pow", "prelu", "reciprocal", "relu", "relu6", "repeat", "reshape",
    "rnn_relu", "rnn_tanh", "rrelu", "rsqrt", "rsub", "scaled_dot_product_attention", "select", "selu",
    "sigmoid", "sign", "silu", "sin", "softmax", "softplus", "softshrink", "softsign", "split",
    "split_with_sizes", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum", "t", "tanh", "threshold",
    "tile", "transpose", "type_as", "unbind", "unflatten", "unsqueeze", "var", "view", "view_as", "where",
    "zeros", "zeros_like",
)  # fmt: skip
_OPERATORS: dict[str, Callable[..., Any]] = {
    "operator.add": operator.add,
    "operator.floordiv": operator.floordiv,
    "operator.getitem": operator.getitem,
    "operator.mul": operator.mul,
    "operator.sub": operator.sub,
}
_DTYPES = ("bool", "float32", "float64", "int32", "int64")
_MOST_STEPS = 100_000


def pack_module(module: Any, n_columns: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return what a module does with a table of rows, and the arrays that it uses.

    Raises
    ------
    InvalidArgumentError
        What it does depends on the values of rows, or holds an operation that is not listed.

    """
    # Two rows and more: one would be taken for a constant.
    rows = torch.zeros((3, n_columns), dtype=getattr(torch, str(numpy_type(_a_weight(module)))))
    with undisturbed(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exported = torch.export.export(module, (rows,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
        # PyTorch raises what its tracers meet.
        except Exception as error:
            first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise InvalidArgumentError(
                f"{type(module).__qualname__} is not saved: PyTorch cannot write down what it does ({first}). Pass "
                "serializer= to DeepScoringExplainer, or allow_pickle=True here and to load"
            ) from error
    return _Writer(exported, type(module).__qualname__).written()


class _Writer:
    def __init__(self, exported: Any, name: str) -> None:
        self._exported = exported
        self._name = name

    def written(self) -> tuple[dict[str, Any], dict[str, Array]]:
        signature = self._exported.graph_signature
        stored = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        values = {**self._exported.state_dict, **self._exported.constants}
        steps: list[dict[str, Any]] = []
        used: dict[str, None] = {}
        given = output = ""
        for node in self._exported.graph.nodes:
            if node.op == "placeholder":
                given = given if node.name in stored else node.name
            elif node.op == "output":
                output = self._output(node)
            else:
                steps.append(self._step(node))
                used |= dict.fromkeys(below.name for below in node.all_input_nodes)
        arrays = {name: values[key].detach().cpu().numpy() for name, key in stored.items() if name in used}
        return {"input": given, "output": output, "steps": steps}, arrays

    def _output(self, node: Any) -> str:
        (found,) = node.args
        if not isinstance(found, (list, tuple)) or len(found) != 1:
            raise InvalidArgumentError(
                f"{self._name} is not saved: it returns several tables, or changes its own state"
            )
        return str(found[0].name)

    def _step(self, node: Any) -> dict[str, Any]:
        target = node.target
        if isinstance(target, torch._ops.OpOverload):
            name = str(target.__name__).partition(".")[0]
        else:
            name = {function: key for key, function in _OPERATORS.items()}.get(_plain_operator(target), str(target))
        if name.endswith("_") and name[:-1] in _NAMES:
            name = self._out_of_place(node, name[:-1])
        if name not in _NAMES and name not in _FUNCTIONS and name not in _OPERATORS:
            raise InvalidArgumentError(
                f"{self._name} is not saved: its operation {name!r} is none of those that are listed. Pass serializer= "
                "to DeepScoringExplainer, or allow_pickle=True here and to load"
            )
        return {
            "name": node.name,
            "op": name,
            "args": [self._argument(value) for value in node.args],
            "kwargs": {key: self._argument(value) for key, value in node.kwargs.items() if not _is_place(key)},
        }

    def _out_of_place(self, node: Any, name: str) -> str:
        """Return the operation that does not write over its input, where nothing else reads that afterwards."""
        after = list(node.args[0].users)
        if after != [node]:
            raise InvalidArgumentError(f"{self._name} is not saved: {name}_ writes over what is read again later")
        return name

    def _argument(self, value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return {"of": value.name}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, (list, tuple)):
            return [self._argument(member) for member in value]
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            # JSON has no infinity.
            return value if np.isfinite(value) else {"float": str(value)}
        if isinstance(value, (torch.device, torch.layout, torch.memory_format)):
            return None
        raise InvalidArgumentError(f"{self._name} is not saved: an operation has the argument {str(value)[:60]}")


class StoredNetwork(torch.nn.Module):
    """A network that is a list of operations.

    Parameters
    ----------
    document : mapping
        What :func:`pack_module` returned.
    arrays : mapping of str to ndarray
    name : str
        Of the file, for messages.

    Raises
    ------
    CorruptFileError
        An operation is not listed, or uses what is not there.

    """

    def __init__(self, document: Mapping[str, Any], arrays: Mapping[str, Array], *, name: str) -> None:
        super().__init__()
        self._places = {}
        known = {str(document["input"])}
        for i, (key, array) in enumerate(arrays.items()):
            if str(array.dtype) not in _DTYPES:
                raise CorruptFileError(f"{name}: an array of a network is of {array.dtype}")
            self.register_buffer(f"array_{i}", torch.from_numpy(np.array(array)))
            self._places[key] = f"array_{i}"
            known.add(key)
        if len(document["steps"]) > _MOST_STEPS:
            raise CorruptFileError(f"{name}: a network of {len(document['steps']):,} operations")
        self._steps = []
        for step in document["steps"]:
            arguments = [_read(value, known, name) for value in step["args"]]
            keywords = {str(key): _read(value, known, name) for key, value in step["kwargs"].items()}
            self._steps.append((str(step["name"]), _function(step["op"], name), arguments, keywords))
            known.add(str(step["name"]))
        self._input, self._output = str(document["input"]), str(document["output"])
        if self._output not in known:
            raise CorruptFileError(f"{name}: a network returns what it has not computed")

    def forward(self, rows: torch.Tensor) -> Any:
        """Return what the network returns for a table of rows."""
        found: dict[str, Any] = {key: getattr(self, place) for key, place in self._places.items()}
        found[self._input] = rows
        for step, function, arguments, keywords in self._steps:
            found[step] = function(
                *(_filled(value, found) for value in arguments),
                **{key: _filled(value, found) for key, value in keywords.items()},
            )
        return found[self._output]


class _Of:
    """What another operation has computed."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _filled(value: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(value, _Of):
        return found[value.name]
    return [_filled(member, found) for member in value] if isinstance(value, list) else value


def _read(value: Any, known: set[str], name: str) -> Any:
    if isinstance(value, list):
        return [_read(member, known, name) for member in value]
    if not isinstance(value, dict):
        return value
    if value.get("of") in known:
        return _Of(str(value["of"]))
    if value.get("dtype") in _DTYPES:
        return getattr(torch, value["dtype"])
    if value.get("float") in ("inf", "-inf", "nan"):
        return float(value["float"])
    raise CorruptFileError(f"{name}: an operation of a network uses {str(value)[:60]}, which is not there")


def _function(op: Any, name: str) -> Callable[..., Any]:
    """Return the function of an operation that is listed."""
    if op in _OPERATORS:
        return _OPERATORS[op]
    if op in _FUNCTIONS:
        return _FUNCTIONS[op]
    if op in _NAMES:
        for holder in (torch, torch._C._nn, torch.nn.functional, torch.Tensor):
            found = getattr(holder, op, None)
            if callable(found):
                return found  # type: ignore[no-any-return]
    raise CorruptFileError(f"{name}: the operation {str(op)[:40]!r} of a network is none of those that are listed")


def _size(tensor: torch.Tensor, dim: int) -> int:
    return int(tensor.shape[dim])


def _slice(tensor: torch.Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> torch.Tensor:
    index: list[Any] = [slice(None)] * tensor.ndim
    index[dim] = slice(start, end, step)
    found: torch.Tensor = tensor[tuple(index)]
    return found


def _as_type(tensor: torch.Tensor, dtype: Any, *_: Any, **__: Any) -> torch.Tensor:
    made: torch.Tensor = tensor.to(dtype)
    return made


def _same(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_to_copy": lambda tensor, dtype=None, **_: tensor if dtype is None else tensor.to(dtype),
    "alias": _same,
    "detach": _same,
    "lift_fresh_copy": _same,
    "slice": _slice,
    "sym_size": _size,
    "to": _as_type,
}


def _plain_operator(target: Any) -> Any:
    """Return an operator of Python as such: PyTorch has its own functions for some."""
    return getattr(operator, getattr(target, "__name__", ""), target)


def _is_place(keyword: str) -> bool:
    return keyword in ("device", "layout", "memory_format", "pin_memory", "non_blocking")


def _a_weight(module: Any) -> torch.Tensor:
    weights: list[torch.Tensor] = [*module.parameters(), *module.buffers()]
    return next((tensor for tensor in weights if tensor.is_floating_point()), torch.empty(0))
