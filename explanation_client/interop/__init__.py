"""Explanations of other packages, brought in and handed out.

``Explanation.from_shap``, ``Explanation.to_shap`` and ``Explanation.from_arrays`` are methods; the rest is here.
Nothing here imports the package that it reads: objects are known by their public members, files by what they hold.
"""

from explanation_client.interop import interpret_community, mlflow_shap
from explanation_client.interop.interpret import from_interpret
from explanation_client.interop.interpret_community import from_interpret_community

__all__ = ["from_interpret", "from_interpret_community", "interpret_community", "mlflow_shap"]
