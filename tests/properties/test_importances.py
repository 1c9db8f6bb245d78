"""Properties of ranking and cutting, over arbitrary explanations."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from explanation_client.explanation import Explanation
from tests.strategies import explanations


@given(explanations(), st.data())
def test_ranked_equals_a_plain_sort(explanation: Explanation, data: st.DataObject) -> None:
    top_k = data.draw(st.integers(1, explanation.num_features))
    assert explanation.local_importances is not None
    values = explanation.local_importances.values
    ranked = explanation.local_importances.ranked(top_k)
    assert ranked.index is not None
    for place in np.ndindex(values.shape[:-1]):
        row = values[place].tolist()
        wanted = sorted(range(len(row)), key=lambda i: (-abs(row[i]), i))[:top_k]
        assert ranked.index[place].tolist() == wanted
        assert ranked.values[place].tolist() == [row[i] for i in wanted]


@given(explanations(), st.data())
def test_cuts_compose_and_rows_still_add_up(explanation: Explanation, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, explanation.num_features))
    second = data.draw(st.integers(1, first))
    cut = explanation.cut(first).cut(second)
    assert cut == explanation.cut(second)
    assert cut.local_importances is not None
    assert explanation.local_importances is not None
    whole = explanation.local_importances.values.astype(np.float64).sum(axis=-1)
    kept = cut.local_importances.values.astype(np.float64).sum(axis=-1) + cut.local_importances.rest
    scale = np.abs(explanation.local_importances.values.astype(np.float64)).sum(axis=-1)
    assert (np.abs(kept - whole) <= 1e-12 * scale + 1e-12).all()


@given(explanations(), st.data())
def test_a_slice_of_rows_holds_those_rows(explanation: Explanation, data: st.DataObject) -> None:
    n = explanation.num_examples
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    part = explanation[start:stop]
    assert part.local_importances is not None
    assert explanation.local_importances is not None
    assert np.array_equal(part.local_importances.values, explanation.local_importances.values[:, start:stop])
