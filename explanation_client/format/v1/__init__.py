"""Version 1 of the stored format."""
