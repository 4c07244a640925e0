// What the engine writes, made once: each record with the HTTP chunk around it, and whole replies.
#pragma once
#include "tokens.h"

#define ENDS_MAX 3

struct frame {
    char *bytes;
    int size;
    int stamp_at; // where the time goes, or -1
};

struct frames {
    char head[512]; // of the HTTP response
    int head_size;
    struct frame first; // what comes before the first token; empty if nothing does
    struct frame tokens[TOKENS];
    struct frame stamped;
    struct frame reasoning;
    struct frame ends[ENDS_MAX];
    int ends_count;
};

extern struct frames frames_of[WIRES];

void frames_build(void);

// Writes a whole reply of `tokens` tokens, HTTP head included. Returns a string that the caller frees.
char *whole_reply(enum wire wire, int tokens, int *size);
