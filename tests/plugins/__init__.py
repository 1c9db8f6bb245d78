"""Plugins of pytest that this suite loads by name, see ``addopts`` in pyproject.toml."""
