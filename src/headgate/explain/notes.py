"""The named notes: what a reader should see in a stream that no repair tells.

A note says what is odd about how a record arrived or what it holds; nothing was changed for it.
"""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """A note's words: `phrase`, in which {} stands for its detail, and why it matters."""

    phrase: str
    why: str


NOTES: dict[str, Note] = {
    "events_in_one_read": Note(
        "{} events in one read", "A client that takes each read for one event loses all but the first."
    ),
    "entry_shared": Note(
        "two events in one read",
        "The line has no prefix of its log's own, so it was printed together with the record before it.",
    ),
    "event_over_reads": Note(
        "the event came in {} reads", "A client that parses each read by itself finds half an event."
    ),
    "character_torn": Note(
        "a read ended inside a UTF-8 sequence", "A client that decodes each read by itself breaks the character."
    ),
    "cut_off": Note("cut off", "The input ended inside of it, and what there is of it is no JSON."),
    "text_held": Note("held back", "The text may belong to a tag; the records that follow decide."),
    "tag_split": Note(
        "the tag was split over records {}", "A client that looks for it in each delta by itself finds none."
    ),
    "border": Note("the border between {}", "The thought ends here, and what the user sees begins."),
    "content_missing": Note(
        "the content is missing",
        "The delta has no `content` field at all, where others have null; neither is text to add.",
    ),
    "delta_empty": Note("the delta is empty", "It carries no text; what counts stands beside it."),
    "statistics": Note("statistics: {}", "What the response cost, and how long it took; told once, at the end."),
    "fields_unread": Note("the engine's own: {}", "No part of the format; they are left out."),
    "other_model": Note(
        "another model answered than {}", "llama-server answers with the model that it has, whatever it was asked for."
    ),
    "after_the_end": Note("after the end", "Nothing that follows the terminal is read."),
}


def phrase(code: str, detail: str) -> str:
    """A note in a few words."""
    return NOTES[code].phrase.replace("{}", detail)
