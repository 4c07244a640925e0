"""Bytes to records: bounded, linear, and the same at every split."""
