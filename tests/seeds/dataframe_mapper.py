"""What the sklearn-pandas package calls DataFrameMapper, as far as the original guides use it.

The package's last release does not import on current versions of scikit-learn. What matters of it: it takes a list of
(columns, transformer), fits the transformers in place, and puts what they return side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class DataFrameMapper(TransformerMixin, BaseEstimator):
    """Applies to each selection of columns its own transformer."""

    def __init__(self, features: list[tuple[list[str], Any]]) -> None:
        self.features = features

    def fit(self, frame: Any, y: Any = None) -> DataFrameMapper:
        for columns, transformer in self.features:
            transformer.fit(frame[columns])
        self.fitted_ = True
        return self

    def transform(self, frame: Any) -> Any:
        return np.hstack([transformer.transform(frame[columns]) for columns, transformer in self.features])
