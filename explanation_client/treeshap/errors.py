"""The errors of the tree kernel.

``ValueError``
└── ``UnsupportedModelError``   a model, or a setting of one, that no parser knows
"""

from __future__ import annotations

__all__ = ["UnsupportedModelError"]


class UnsupportedModelError(ValueError):
    """Raised for a model that can't be read exactly; the message gives the reason."""
