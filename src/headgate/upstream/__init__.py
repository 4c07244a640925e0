"""I/O towards engines. `base.py` is the seam; `http.py`, `replay.py` and `embedded.py` stand behind it."""
