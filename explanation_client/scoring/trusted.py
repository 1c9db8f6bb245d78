"""Models and transformers of scikit-learn as bytes and back, with skops: what types may come back is listed here.

A file says itself what types it holds; what counts is this list. skops builds objects without pickle, and trusts public
estimators only. Those below have compiled code that believes its arrays, or are parts of estimators; after loading,
:mod:`~explanation_client.scoring.sound` looks into the arrays.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from explanation_client.errors import CorruptFileError, InvalidArgumentError, MissingDependencyError, StoredDataError
from explanation_client.scoring.sound import check_sound

_LOSSES = ("AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss",
           "HalfPoissonLoss", "HalfSquaredError", "HalfTweedieLoss", "HalfTweedieLossIdentity", "HuberLoss",
           "PinballLoss")  # fmt: skip
_KERNELS = ("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Hyperparameter",
            "Matern", "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel")  # fmt: skip
_DISTANCES = ("BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming", "Haversine", "Jaccard",
              "Mahalanobis", "Manhattan", "Minkowski", "RogersTanimoto", "RussellRao", "SEuclidean", "SokalSneath",
              "Yule")  # fmt: skip
_LIGHTGBM = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")
_XGBOOST = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")

TRUSTED = frozenset(
    (
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "numpy.dtype",
        "scipy.sparse._csc.csc_array",
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_array",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.link.Interval",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._ball_tree.BallTree64",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._kd_tree.KDTree64",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "xgboost.core.Booster",
        *(f"sklearn._loss.link.{name}" for name in ("HalfLogitLink", "IdentityLink", "LogLink", "LogitLink",
                                                    "MultinomialLogit")),
        *(f"sklearn._loss.loss.{name}" for name in _LOSSES),
        *(f"sklearn._loss._loss.Cy{name}" for name in _LOSSES),
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
        *(f"sklearn.metrics._dist_metrics.{name}Distance{bits}" for name in _DISTANCES for bits in ("", "32", "64")),
        *(f"lightgbm.sklearn.{name}" for name in _LIGHTGBM),
        *(f"xgboost.sklearn.{name}" for name in _XGBOOST),
    )
)  # fmt: skip
# Of matrices that scipy compresses.
_MOST_INFLATED = 1 << 30
_SCHEMA = "schema.json"


def dump_trusted(value: Any, what: str) -> bytes:
    """Return a model or transformer of scikit-learn as the bytes of skops' format.

    Raises
    ------
    InvalidArgumentError
        It holds a type that is not listed, or that skops cannot write: a function of the caller's, for example.
    MissingDependencyError
        skops is not installed.

    """
    skops = _skops(what)
    try:
        data: bytes = skops.dumps(value)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise InvalidArgumentError(_cannot(what, f"skops cannot write it ({str(error)[:200]})")) from error
    others = sorted(set(skops.get_untrusted_types(data=data)) - TRUSTED)
    if others:
        raise InvalidArgumentError(
            _cannot(what, f"it holds {', '.join(others[:3])}, and types that come from a file are listed one by one")
        )
    return data


def load_trusted(data: bytes, *, name: str) -> Any:
    """Return what :func:`dump_trusted` wrote, after looking into it.

    Raises
    ------
    CorruptFileError
        It is no such file, or what it holds would lead compiled code astray.
    StoredDataError
        It holds a type that is not listed.
    MissingDependencyError
        skops, or a package of the model, is not installed.

    """
    skops = _skops(f"reading {name}")
    _check_archive(data, name)
    try:
        found = set(skops.get_untrusted_types(data=data))
    # skops raises whatever its nodes meet.
    except Exception as error:
        raise CorruptFileError(f"{name}: is no file of skops: {type(error).__name__}: {str(error)[:200]}") from error
    others = sorted(found - TRUSTED)
    if others:
        raise StoredDataError(f"{name} is refused: it holds the types {', '.join(other[:80] for other in others[:5])}")
    try:
        loaded = skops.loads(data, trusted=sorted(found))
    except ImportError as error:
        package = (error.name or "").partition(".")[0] or "a package of the model"
        raise MissingDependencyError(package, extra="scoring", needed_for=f"reading {name}") from error
    except Exception as error:
        raise CorruptFileError(f"{name}: is no file of skops: {type(error).__name__}: {str(error)[:200]}") from error
    check_sound(loaded, name=name)
    return loaded


def _cannot(what: str, why: str) -> str:
    return (
        f"{what} is not saved: {why}. Use parts of scikit-learn, LightGBM, XGBoost or CatBoost; or pass "
        "allow_pickle=True here and to load, which then runs code that is in the file"
    )


def _skops(needed_for: str) -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingDependencyError("skops", extra="scoring", needed_for=needed_for) from error
    return skops.io


def _check_archive(data: bytes, name: str) -> None:
    """Raise where an archive would take more memory than it has bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len({member.filename for member in members}) != len(members):
                raise ValueError("two members have the same name")
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                    raise ValueError(f"member {member.filename[:80]!r} is compressed or encrypted")
                if member.filename.endswith(".npy"):
                    check_array(archive.read(member))
                elif member.filename.endswith(".npz"):
                    _check_matrix(archive.read(member))
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, SyntaxError, NotImplementedError) as error:
        raise CorruptFileError(f"{name}: is no file of skops: {str(error)[:200]}") from error


def _check_matrix(data: bytes) -> None:
    """Raise where a sparse matrix of scipy is not what its members hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_INFLATED:
            raise ValueError("a sparse matrix is too large")
        for member in archive.infolist():
            with archive.open(member) as source:
                inflated = source.read(member.file_size + 1)
            if len(inflated) != member.file_size:
                raise ValueError("a sparse matrix is larger than it says")
            check_array(inflated)


def check_array(data: bytes) -> None:
    """Raise ``ValueError`` where the bytes of an ``.npy`` file are not as many as its shape needs, or are objects."""
    source = io.BytesIO(data)
    version = np.lib.format.read_magic(source)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(source)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(source)
    else:
        raise ValueError(f"an array is of version {version}")
    count = 1
    for length in shape:
        count *= length
    if dtype.hasobject or count * dtype.itemsize != len(data) - source.tell():
        raise ValueError(f"an array of shape {shape} and {dtype} has {len(data) - source.tell()} bytes")
