"""What Headgate costs, beside a server that reads nothing, one that relays bytes, and another gateway.

`python -m bench` (or `make bench`) measures and prints ratios; `python -m bench.micro` times the core alone.

- `harness/` is an engine without a model and a load generator that checks every byte, in C; `programs.py` runs them.
- `gateways.py` says what is measured, `scenarios.py` under which load, `capacity.py` how much it carries.
- `rounds.py` measures everything in turn, several times; `results.py` is what comes out.
- `measures.py` makes ratios of that and holds the targets; `table.py` and `page.py` show them.
"""
