"""What the tracking server loads: pages and a tab. Imports nothing of the library."""
