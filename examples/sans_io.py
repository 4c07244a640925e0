"""No event loop and no sockets: bytes are pushed in as they come, as into an editor plugin's callbacks.

    python examples/sans_io.py

The first read holds two events, half a tag and the beginning of a third event; the second ends inside a character.
"""

import json
import sys

import headgate
from headgate.events import Event, ReasoningDelta, TextDelta

READS = [
    (
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"content":"<think>A greeting.</th"}}]}\n\ndata: {"cho'
    ),
    b'ices":[{"index":0,"delta":{"content":"ink>Hello \xf0\x9f',
    b'\x91\x8b"}}]}\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
]


class Reply:
    """One reply: shown as it comes, kept for the history, and written again as one exact stream."""

    def __init__(self) -> None:
        self.stream = b""
        self._decoder = headgate.decoder()
        self._gathered = headgate.Accumulator()
        self._encoder = headgate.encoder("chat", model="qwen3:8b")

    def on_stdout(self, data: bytes) -> None:
        """The process wrote something."""
        self._take(self._decoder.feed(data))

    def on_exit(self) -> headgate.Message:
        """The process is over; return what it said."""
        self._take(self._decoder.close())
        self.stream += self._encoder.close()
        return self._gathered.message

    def _take(self, events: list[Event]) -> None:
        self._gathered.feed_all(events)
        self.stream += self._encoder.feed(events)
        for event in events:
            if isinstance(event, TextDelta | ReasoningDelta):
                print(f"{'text' if isinstance(event, TextDelta) else 'thought'}: {event.text}")


reply = Reply()
for read in READS:
    reply.on_stdout(read)
print(json.dumps(reply.on_exit().to_openai(), ensure_ascii=False))
sys.stdout.write(reply.stream.decode())
