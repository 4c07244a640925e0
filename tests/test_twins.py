"""`headgate.twins`: a twin has the same state, and what it does later nobody else sees."""

from __future__ import annotations

from headgate.twins import twin


class Slotted:
    __slots__ = ("held", "size")

    def __init__(self) -> None:
        self.held: list[str] = []
        self.size = 0


class More(Slotted):
    __slots__ = ("name",)

    def __init__(self) -> None:
        super().__init__()
        self.name = "one"


class Open(More):
    """As a class of somebody else is, who knows nothing of slots."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs = 7


def test_every_slot_is_copied_those_of_the_classes_below_too() -> None:
    first = More()
    first.size = 3

    second = twin(first)
    second.size, second.name = 4, "two"

    assert (More, 3, "one") == (type(second), first.size, first.name)
    assert (4, "two") == (second.size, second.name)


def test_attributes_without_a_slot_are_copied_as_well() -> None:
    first = Open()

    second = twin(first)
    second.theirs = 8

    assert (7, 8, "one") == (first.theirs, second.theirs, second.name)


def test_what_a_slot_holds_is_shared() -> None:
    """Who changes a list in place copies it; a twin of everything would copy what never changes."""
    first = Slotted()

    assert first.held is twin(first).held
