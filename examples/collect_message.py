"""Any engine's stream on standard input, the entry for the message history on standard output.

    curl -sN http://127.0.0.1:11434/api/generate -d '{"model": "qwen3:8b", "prompt": "Why is the sky blue?"}' |
        python examples/collect_message.py

The exit status is 1 if the stream ended in an error; what came before it is printed all the same.
"""

import json
import sys

import headgate

message = headgate.collect(sys.stdin.buffer)
print(json.dumps(message.to_openai(), ensure_ascii=False))
if message.error:
    sys.exit(f"{message.error.code}: {message.error.message}")
