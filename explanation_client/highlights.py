"""What makes explanations findable in MLflow's own pages and searches: tags and metrics of the run.

Tags say which features matter most in the run's latest explanation; metrics hold their global importance, so that
``search_runs``, charts and comparisons of runs work on them. Feature names are cleaned where MLflow allows fewer
characters than a feature's name may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import count

from explanation_client.display import shown
from explanation_client.explanation import Explanation
from explanation_client.info import ExplanationInfo

LATEST = "explanations.latest"
TOP_FEATURE = "explanations.top_feature"
TOP_FEATURES = "explanations.top_features"
HIGHLIGHTS = (LATEST, TOP_FEATURE, TOP_FEATURES)
METRIC_PREFIX = "importance/"
DESCRIPTION = "mlflow.note.content"

# MLflow draws and compares as many as there are; more than these say little.
_MOST_METRICS = 10
# Of MLflow's 250 characters for a key, with room for the prefix and a number.
_MAX_NAME = 200
_MAX_TAG = 500
_NOT_ALLOWED = re.compile(r"[^\w\-. ]")


def highlight_tags(info: ExplanationInfo) -> dict[str, str]:
    """Return the tags of a run whose latest explanation this is: its id, its most important features.

    ``explanations.top_feature`` is the name of the first, ``explanations.top_features`` of up to five, joined by ", ".
    Names are cut where they are long. An explanation without global importances has no top features.
    """
    tags = {LATEST: info.id}
    if info.top_features:
        tags[TOP_FEATURE] = info.top_features[0][:_MAX_TAG]
        tags[TOP_FEATURES] = ", ".join(info.top_features[:5])[:_MAX_TAG]
    return tags


def highlight_metrics(explanation: Explanation) -> dict[str, float]:
    """Return the global importance of the ten most important features, by metric name: ``importance/<feature>``."""
    if explanation.global_importances is None:
        return {}
    names = metric_names(explanation.get_ranked_global_names(_most(explanation)))
    values = explanation.get_ranked_global_values(_most(explanation))
    return {f"{METRIC_PREFIX}{name}": float(value) for name, value in zip(names, values, strict=True)}


def metric_names(features: Iterable[str]) -> list[str]:
    """Return names that every MLflow accepts in a metric's key, one for each feature and no two alike.

    Letters and digits of any language, ``_``, ``-``, dots and spaces stay, everything else becomes ``_``; long names
    are cut.
    """
    taken: set[str] = set()
    names = []
    for feature in features:
        clean = _NOT_ALLOWED.sub("_", feature)[:_MAX_NAME].strip(" .") or "_"
        name = next(name for n in count(1) if (name := clean if n == 1 else f"{clean}_{n}") not in taken)
        taken.add(name)
        names.append(name)
    return names


def described(tags: Mapping[str, str], info: ExplanationInfo) -> str:
    """Return the run's description with a line about an explanation at its end."""
    before = tags.get(DESCRIPTION, "").rstrip()
    top = ", ".join(shown(name, length=60) for name in info.top_features[:5]) or "no global importances"
    comment = "" if info.comment is None else f" “{shown(info.comment, length=120)}”"
    line = _markdown(f"Explanation {info.id}{comment} ({info.method}): {top}")
    return f"{before}\n\n{line}" if before else line


def _most(explanation: Explanation) -> int:
    kept = explanation.global_importances
    return min(_MOST_METRICS, 0 if kept is None else kept.shape[-1])


def _markdown(text: str) -> str:
    """Return text that MLflow's page, which reads descriptions as Markdown, shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", text)
