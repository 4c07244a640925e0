// The text that both sides agree on: a cycle of tokens, some of which must be escaped in JSON, or are not ASCII.
#pragma once
#include <stdio.h>
#include <string.h>

#define TOKENS 64
#define TOKEN_BYTES_MAX 64

// A stamped token is a space and the engine's time in microseconds as twelve hexadecimal digits.
#define STAMP_DIGITS 12
#define STAMP_MARK "@@@@@@@@@@@@"

// How the engine writes: OpenAI's chat, Ollama's chat, OpenAI's older completions.
enum wire { SSE, NDJSON, COMPLETION, WIRES };

// Writes token `place` of the cycle as plain UTF-8.
static inline void token_plain(int place, char *out) {
    switch (place) {
    case 15:
        strcpy(out, "\n\n");
        break;
    case 31:
        strcpy(out, " \"q\"");
        break;
    case 47:
        strcpy(out, " \xc3\xa9\xe2\x80\x94\xe2\x98\x83");
        break;
    case 63:
        strcpy(out, " <b>");
        break; // looks like the beginning of a tag, and is none
    default:
        sprintf(out, " tok%02d", place);
    }
}

// Writes the same token as an engine writes it in JSON. Go, and so Ollama, escapes angle brackets.
static inline void token_json(int place, enum wire wire, char *out) {
    switch (place) {
    case 15:
        strcpy(out, "\\n\\n");
        break;
    case 31:
        strcpy(out, " \\\"q\\\"");
        break;
    case 63:
        strcpy(out, wire == NDJSON ? " \\u003cb\\u003e" : " <b>");
        break;
    default:
        token_plain(place, out);
    }
}
