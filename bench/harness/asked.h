// What a request asks of the engine. The model's name carries it, since every gateway passes that on:
//   bench-n<tokens>-d<us between writes, 0: as fast as the path drains>-k<tokens in a write, each in its own HTTP
//   chunk>
//        -r<reasoning tokens first>-t1 (tokens are times)-f<us to the first token>-b1 (all streams step together)
#pragma once
#include "tokens.h"
#include <stdbool.h>
#include <stdint.h>

struct asked {
    bool for_text; // else it asks about the engine
    bool streamed;
    bool stamped;
    bool together;
    enum wire wire;
    int tokens;
    int per_write;
    int reasoning;
    uint64_t gap_ns;
    uint64_t first_ns;
};

// Reads a request whose head ends before `body`, which is terminated by a zero byte.
struct asked read_request(const char *head, const char *body);

// How many bytes the request that begins at `input` takes, and where its body is; 0 while some are missing.
int request_size(const char *input, int size, int *body_at);
