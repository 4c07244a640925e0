"""Signatures for thoughts that nobody signed: made for clients that want one, recognised when it comes back.

Strategy: some APIs give every thought an opaque proof, and some clients throw a thought without one away. Engines that
sign nothing give none, so ours says only that: it begins with `hg1.` and is the same for every thought. It holds no
secret and vouches for nothing, since an engine that checks no thought has nothing to be protected from; so a client
may shorten or correct a thought. What bears it is plain reasoning, and is never to be sent to an API that checks.
Spec: ours (`docs/anthropic.md`)
"""

from __future__ import annotations

PREFIX = "hg1."
"""What every signature of ours begins with; the 1 is the version of what follows."""

UNSIGNED = f"{PREFIX}unsigned"
"""Stands beside a thought that its engine did not sign."""


def is_foreign(signature: str | None) -> bool:
    """Whether a signature is somebody else's, so that who made it will want it back unchanged."""
    return bool(signature) and not str(signature).startswith(PREFIX)
