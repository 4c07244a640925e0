"""A stream as a person would annotate it: each record, what it became, what was repaired in it, and why.

    explainer = Explainer(headgate.decoder("auto", verbose=True))
    records = explainer.feed(data, at_s=0.005)     # as reads arrive; `close()` gives the rest
    blocks = layout.of(folder.feed(records))       # long runs folded, then laid out
    plain.text(block)                              # or `ansi`, or `html`

Strategy: bytes are cut where records end and decoded piece by piece, so that events and repairs belong to the record
that caused them. Nothing is kept of a record that was given out.
"""

from headgate.explain.explainer import Explainer
from headgate.explain.fold import Folder
from headgate.explain.values import Effect, Fact, Folded, Item, Kind, Record, Remark, Summary

__all__ = ["Effect", "Explainer", "Fact", "Folded", "Folder", "Item", "Kind", "Record", "Remark", "Summary"]
