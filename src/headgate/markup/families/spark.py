"""`<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>` -> tool calls (Spark 2.5 and 3).

Strategy: GLM's tags, without white space; the family is the same under another name.
Spec: vLLM tool_parsers/spark3_tool_parser.py and SGLang function_call/spark25_detector.py.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.tag_family import tag_family

FAMILY = tag_family("spark", arg_pairs())
