"""Keep the `openai` client library, and let Headgate make sense of the chunks that it yields.

    pip install . openai
    export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=none
    python examples/clean_openai_client.py gpt-oss:20b "what is your name?"

Text is printed as it comes; the last line is the entry for the message history, with reasoning and tool calls
taken out of the text where the engine left them in it.
"""

import json
import sys

from openai import OpenAI

import headgate
from headgate.events import TextDelta

model, question = sys.argv[1:]
chunks = OpenAI().chat.completions.create(model=model, messages=[{"role": "user", "content": question}], stream=True)

gathered = headgate.Accumulator()
for event in headgate.stream(chunks):
    gathered.feed(event)
    if isinstance(event, TextDelta):
        print(event.text, end="", flush=True)

print()
print(json.dumps(gathered.message.to_openai(), ensure_ascii=False))
