"""A family whose models write calls in more than one form.

Strategy: each form is a family of its own; the first that a block begins like reads it.
Spec: ours; each family's file names its forms.
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.markup.family import Control, Family, Reader, Settings
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span


class Forms:
    """The family.

    Args:
        name: its name.
        forms: its forms, the commonest first.
        when_named: what is looked for as well where the caller names the family.
    """

    anywhere = True
    unmistakable = True
    thinks = True

    def __init__(self, name: str, forms: Sequence[Family], when_named: tuple[Family, ...] = ()) -> None:
        self.name = name
        self.when_named = when_named
        self.openers = tuple(dict.fromkeys(opener for form in forms if form.anywhere for opener in form.openers))
        self._forms = tuple(forms)

    def wanted(self, settings: Settings, /) -> bool:
        """Whether any of its forms is to be looked for."""
        return any(form.wanted(settings) for form in self._forms)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins one of its forms; None while it may still."""
        verdicts = [form.opens(rest, settings) for form in self._forms if form.wanted(settings)]
        return True if True in verdicts else None if None in verdicts else False

    def reader(self, settings: Settings, /) -> FormReader:
        """A reader of one block."""
        return FormReader([form for form in self._forms if form.wanted(settings)], settings)


class FormReader:
    """Reads a block in the form that it begins like."""

    def __init__(self, forms: Sequence[Family], settings: Settings) -> None:
        self._forms = forms
        self._settings = settings
        self._reader: Reader | None = None

    def _chosen(self, scanner: Scanner) -> Reader:
        if self._reader is None:
            rest = scanner.peek(self._settings.limits.markup_chars_max)
            form = next(form for form in self._forms if form.opens(rest, self._settings))
            self._reader = form.reader(self._settings)
        return self._reader

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        return self._chosen(scanner).feed(scanner, out)

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the block."""
        return self._chosen(scanner).close(scanner, out)

    def copy(self) -> FormReader:
        """An independent reader in the same state."""
        twin = FormReader(self._forms, self._settings)
        twin._reader = self._reader.copy() if self._reader else None
        return twin
