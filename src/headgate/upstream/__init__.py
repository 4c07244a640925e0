"""I/O towards engines. `base.py` is the seam; `http.py` and `replay.py` stand behind it."""
