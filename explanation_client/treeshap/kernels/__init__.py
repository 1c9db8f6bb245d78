"""The compiled loops. Importing a module from here imports numba; nothing else does."""
