"""Every plot of the shap package, drawn from explanations that were made here."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import shap

from explanation_client import Explanation
from tests.unit.interop.test_shap_package import mixed

pytestmark = pytest.mark.integration

PLOTS = {
    "beeswarm": lambda rows: shap.plots.beeswarm(rows, show=False),
    "violin": lambda rows: shap.plots.violin(rows, show=False),
    "bar": lambda rows: shap.plots.bar(rows, show=False),
    "bar of a row": lambda rows: shap.plots.bar(rows[0], show=False),
    "waterfall": lambda rows: shap.plots.waterfall(rows[0], show=False),
    "force": lambda rows: shap.plots.force(rows[0], matplotlib=True, show=False),
    "heatmap": lambda rows: shap.plots.heatmap(rows, show=False),
    "scatter": lambda rows: shap.plots.scatter(rows[:, 0], show=False),
    "scatter of text": lambda rows: shap.plots.scatter(rows[:, 1], show=False),
    "decision": lambda rows: shap.plots.decision(
        float(rows.base_values[0]), rows.values, feature_names=list(rows.feature_names), show=False
    ),
}
TRUTHS = Explanation.from_arrays(
    local=np.random.default_rng(1).standard_normal((9, 3)), data=np.eye(9, 3) > 0, base_values=1
)


@pytest.mark.parametrize("kind", ["mixed", "cut", "truths"])
@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_of_shap_is_drawn(plot: str, kind: str) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    given = {
        "mixed": lambda: mixed().to_shap("yes"),
        "cut": lambda: mixed().cut(2).to_shap("yes", other="other features"),
        "truths": TRUTHS.to_shap,
    }[kind]()
    pyplot.close("all")
    PLOTS[plot](given)
    drawn = [text.get_text() for axes in pyplot.gcf().axes for text in axes.texts + axes.get_yticklabels()]
    drawn += [axes.get_xlabel() for axes in pyplot.gcf().axes]
    pyplot.close("all")
    assert any(name in text for name in given.feature_names for text in drawn), drawn
