"""The data and models of the original guides, made once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest


class Split(NamedTuple):
    """Breast cancer data as the guides split it, and their model."""

    model: Any
    x_train: Any
    x_test: Any
    y_train: Any
    y_test: Any
    feature_names: Any
    classes: list[str]


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Keep native libraries from starting threads that would wait for those of other tests."""
    import sklearn.ensemble  # noqa: F401  # loaded first, so that its thread pool is known
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(
    scope="package",
    params=["margin", "probability=True", "calibrated"],
    ids=lambda how: how.replace("=True", ""),
)
def trained(request: pytest.FixtureRequest) -> Split:
    """The model of the guides: as they write it, and in the two ways that scikit-learn leaves for it.

    ``probability=True`` is deprecated there; a margin alone, or a calibrated model, is what follows it.
    """
    import warnings

    # load breast cancer dataset, a well-known small dataset that comes with scikit-learn
    from sklearn import svm
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    breast_cancer_data = load_breast_cancer()
    classes = breast_cancer_data.target_names.tolist()
    x_train, x_test, y_train, y_test = train_test_split(
        breast_cancer_data.data, breast_cancer_data.target, test_size=0.2, random_state=0
    )
    if request.param == "probability=True":
        clf: Any = svm.SVC(gamma=0.001, C=100.0, probability=True)
    elif request.param == "calibrated":
        clf = CalibratedClassifierCV(svm.SVC(gamma=0.001, C=100.0), ensemble=False)
    else:
        clf = svm.SVC(gamma=0.001, C=100.0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The `probability` parameter", FutureWarning)
        model = clf.fit(x_train, y_train)
    return Split(model, x_train, x_test, y_train, y_test, breast_cancer_data.feature_names, classes)
