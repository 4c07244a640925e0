// The records of llama-server (SSE) and of Ollama (NDJSON), as captured from both in November 2025.
#define _GNU_SOURCE
#include "frames.h"
#include <stdarg.h>
#include <stdlib.h>

#define CHUNK_FIELDS                                                                                                   \
    "\"created\":1763675551,\"id\":\"chatcmpl-Qm4zJtq0x7sYb1GdV5nKcW2eHfR8uLpA\",\"model\":\"Qwen3-8B-Q4_K_M.gguf\","  \
    "\"system_fingerprint\":\"b7100-0123abcd\",\"object\":\"chat.completion.chunk\""
#define CHUNK(finish, delta)                                                                                           \
    "data: {\"choices\":[{\"finish_reason\":" finish ",\"index\":0,\"delta\":{" delta "}}]," CHUNK_FIELDS "}\n\n"
#define COMPLETION_FIELDS                                                                                              \
    "\"created\":1763675551,\"id\":\"cmpl-Qm4zJtq0x7sYb1GdV5nKcW2eHfR8uLpA\",\"model\":\"Qwen3-8B-Q4_K_M.gguf\","      \
    "\"system_fingerprint\":\"b7100-0123abcd\",\"object\":\"text_completion\""
#define COMPLETION_CHUNK(text, finish)                                                                                 \
    "data: {\"choices\":[{\"text\":\"" text "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" finish               \
    "}]," COMPLETION_FIELDS "}\n\n"
#define OLLAMA_FIELDS "\"model\":\"qwen3:8b\",\"created_at\":\"2025-11-20T21:52:31.%09dZ\""
#define OLLAMA_LINE(message) "{" OLLAMA_FIELDS ",\"message\":{\"role\":\"assistant\"," message "},\"done\":false}\n"
#define USAGE "\"usage\":{\"completion_tokens\":1000,\"prompt_tokens\":26,\"total_tokens\":1026}"
#define OLLAMA_END                                                                                                     \
    "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":20055000000,\"load_duration\":10000000,"                \
    "\"prompt_eval_count\":26,\"prompt_eval_duration\":55000000,\"eval_count\":1000,\"eval_duration\":20000000000}"

#define SOME_NS 123456789

struct frames frames_of[WIRES];

// Puts an HTTP chunk around a record.
static struct frame frame(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct frame frame(const char *format, ...) {
    char *record;
    va_list values;
    va_start(values, format);
    int size = vasprintf(&record, format, values);
    va_end(values);
    struct frame made;
    made.size = asprintf(&made.bytes, "%x\r\n%s\r\n", size, record);
    const char *mark = strstr(made.bytes, STAMP_MARK);
    made.stamp_at = mark ? (int)(mark - made.bytes) : -1;
    free(record);
    return made;
}

static void build_sse(struct frames *sse) {
    sse->head_size = sprintf(sse->head, "HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: *\r\n"
                                        "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                                        "Keep-Alive: timeout=600, max=1000000\r\n\r\n");
    sse->first = frame("%s", CHUNK("null", "\"role\":\"assistant\",\"content\":null"));
    for (int place = 0; place < TOKENS; place++) {
        char text[TOKEN_BYTES_MAX];
        token_json(place, SSE, text);
        sse->tokens[place] = frame(CHUNK("null", "\"content\":\"%s\""), text);
    }
    sse->stamped = frame("%s", CHUNK("null", "\"content\":\" " STAMP_MARK "\""));
    sse->reasoning = frame("%s", CHUNK("null", "\"reasoning_content\":\" think\""));
    sse->ends[0] = frame("%s", CHUNK("\"stop\"", ""));
    sse->ends[1] = frame("data: {\"choices\":[]," CHUNK_FIELDS "," USAGE ",\"timings\":{\"cache_n\":0,\"prompt_n\":26,"
                         "\"prompt_ms\":55.1,\"prompt_per_token_ms\":2.1,\"prompt_per_second\":471.8,"
                         "\"predicted_n\":1000,\"predicted_ms\":20000.5,\"predicted_per_token_ms\":20.0,"
                         "\"predicted_per_second\":49.9}}\n\n");
    sse->ends[2] = frame("data: [DONE]\n\n");
    sse->ends_count = 3;
}

static void build_ndjson(struct frames *ndjson) {
    ndjson->head_size =
        sprintf(ndjson->head, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                              "Date: Thu, 20 Nov 2025 21:52:31 GMT\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int place = 0; place < TOKENS; place++) {
        char text[TOKEN_BYTES_MAX];
        token_json(place, NDJSON, text);
        // The time differs in every record, as it does in Ollama's.
        ndjson->tokens[place] = frame(OLLAMA_LINE("\"content\":\"%s\""), SOME_NS + place * 11111111, text);
    }
    ndjson->stamped = frame(OLLAMA_LINE("\"content\":\" " STAMP_MARK "\""), SOME_NS);
    ndjson->reasoning = frame(OLLAMA_LINE("\"content\":\"\",\"thinking\":\" think\""), SOME_NS);
    ndjson->ends[0] =
        frame("{" OLLAMA_FIELDS ",\"message\":{\"role\":\"assistant\",\"content\":\"\"}," OLLAMA_END "\n", SOME_NS);
    ndjson->ends_count = 1;
}

static void build_completion(struct frames *completion) {
    memcpy(completion->head, frames_of[SSE].head, sizeof completion->head);
    completion->head_size = frames_of[SSE].head_size;
    for (int place = 0; place < TOKENS; place++) {
        char text[TOKEN_BYTES_MAX];
        token_json(place, COMPLETION, text);
        completion->tokens[place] = frame(COMPLETION_CHUNK("%s", "null"), text);
    }
    completion->stamped = frame("%s", COMPLETION_CHUNK(" " STAMP_MARK, "null"));
    completion->reasoning = completion->tokens[0]; // this API has no reasoning
    completion->ends[0] = frame("%s", COMPLETION_CHUNK("", "\"stop\""));
    completion->ends[1] = frame("data: {\"choices\":[]," COMPLETION_FIELDS "," USAGE "}\n\n");
    completion->ends[2] = frame("data: [DONE]\n\n");
    completion->ends_count = 3;
}

void frames_build(void) {
    build_sse(&frames_of[SSE]);
    build_ndjson(&frames_of[NDJSON]);
    build_completion(&frames_of[COMPLETION]); // with the head of SSE
}

#define OLLAMA_REPLY "{" OLLAMA_FIELDS ",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"}," OLLAMA_END
#define CHAT_REPLY                                                                                                     \
    "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"}}]," \
    "\"created\":1763675551,\"model\":\"Qwen3-8B-Q4_K_M.gguf\",\"system_fingerprint\":\"b7100-0123abcd\","             \
    "\"object\":\"chat.completion\"," USAGE ",\"id\":\"chatcmpl-Qm4zJtq0x7sYb1GdV5nKcW2eHfR8uLpA\","                   \
    "\"timings\":{\"prompt_n\":26,\"prompt_ms\":55.1,\"predicted_n\":20,\"predicted_ms\":400.5}}"
#define COMPLETION_REPLY                                                                                               \
    "{\"choices\":[{\"text\":\"%s\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"stop\"}]," COMPLETION_FIELDS     \
    "," USAGE "}"

char *whole_reply(enum wire wire, int tokens, int *size) {
    char *text = malloc((size_t)tokens * TOKEN_BYTES_MAX + 1), *body, *reply, *end = text;
    int length;
    *end = 0;
    for (int place = 0; place < tokens; place++) {
        token_json(place % TOKENS, wire, end);
        end += strlen(end);
    }
    if (wire == NDJSON)
        length = asprintf(&body, OLLAMA_REPLY, SOME_NS, text);
    else
        length = wire == SSE ? asprintf(&body, CHAT_REPLY, text) : asprintf(&body, COMPLETION_REPLY, text);
    *size = asprintf(&reply, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                     length, body);
    free(text);
    free(body);
    return reply;
}
