"""The core alone, without sockets: what a chunk costs on each way through it, and what a request costs to plan.

`python -m bench.micro` (or `make bench-micro`) prints the times and ends with 1 where a ratio is not what it must be.
"""
