// Reads requests by looking for the few words that matter: the gateways, not the engine, are what is measured.
#define _GNU_SOURCE
#include "asked.h"
#include "clock.h"
#include <stdlib.h>
#include <strings.h>

static long parameter(const char *name, char letter, long otherwise) {
    for (; *name && *name != '"'; name++)
        if (name[0] == '-' && name[1] == letter && name[2] >= '0' && name[2] <= '9') return atol(name + 2);
    return otherwise;
}

static bool is_streamed(const char *body, bool otherwise) {
    const char *value = strstr(body, "\"stream\"");
    if (!value) return otherwise;
    value += strlen("\"stream\"");
    while (*value == ' ' || *value == ':')
        value++;
    return *value == 't';
}

struct asked read_request(const char *head, const char *body) {
    const char *path_end = strchr(head, '\r');
    const char *name = strstr(body, "bench-");
    if (!name) name = "";
    const char *completions = strstr(head, "/completions");
    bool ollama = !strncmp(head, "POST /api/chat", 14);
    bool openai = !strncmp(head, "POST", 4) && completions && completions < path_end;
    bool chat = openai && completions - head > 5 && !strncmp(completions - 5, "/chat", 5);
    return (struct asked){
        .for_text = ollama || openai,
        .wire = ollama ? NDJSON
                : chat ? SSE
                       : COMPLETION,
        .streamed = is_streamed(body, ollama),
        .stamped = parameter(name, 't', 0) == 1,
        .together = parameter(name, 'b', 0) == 1,
        .tokens = (int)parameter(name, 'n', 100),
        .per_write = (int)parameter(name, 'k', 1),
        .reasoning = (int)parameter(name, 'r', 0),
        .gap_ns = (uint64_t)parameter(name, 'd', 0) * NS_PER_US,
        .first_ns = (uint64_t)parameter(name, 'f', 0) * NS_PER_US,
    };
}

int request_size(const char *input, int size, int *body_at) {
    const char *end = strstr(input, "\r\n\r\n");
    if (!end) return 0;
    *body_at = (int)(end + 4 - input);
    long length = 0;
    for (const char *line = input; line < end; line = strstr(line, "\r\n") + 2) {
        if (!strncasecmp(line, "content-length:", 15)) length = atol(line + 15);
        if (!strncasecmp(line, "transfer-encoding:", 18)) {
            const char *last = strstr(end + 4, "0\r\n\r\n");
            return last ? (int)(last + 5 - input) : 0;
        }
    }
    return size < *body_at + length ? 0 : (int)(*body_at + length);
}
