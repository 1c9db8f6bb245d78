"""What explains the words of documents."""

from explanation_client.explainers.text.explainer import TextExplainer

__all__ = ["TextExplainer"]
