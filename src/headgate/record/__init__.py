"""Recording exchanges with engines, and answering from what was recorded.

`shapes` and `masker` take keys out of bytes, `heads` out of headers and paths; `tape` is one exchange on its way to
disk, and `recorder` an upstream that records. `folders` reads cassettes, `match` chooses one, `spoiler` breaks replies.
"""
