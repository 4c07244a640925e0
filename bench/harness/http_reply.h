// Reads one HTTP/1.1 response after the other, in any split.
// Spec: https://www.rfc-editor.org/rfc/rfc9112
#pragma once
#include <stdbool.h>

#define HEAD_BYTES_MAX 8192

enum reply_part { HEAD, BODY, OVER };
enum chunk_part { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct http_reply {
    enum reply_part part;
    enum chunk_part chunk;
    char head[HEAD_BYTES_MAX + 1];
    int head_size, status;
    bool chunked, closes;
    long left; // bytes of the body or of the chunk; -1: the body ends with the connection
};

// Called with each piece of a body.
typedef void body_seen(void *owner, const char *bytes, long size);

void http_reply_reset(struct http_reply *one);
// Reads up to the end of the response; returns how many bytes it took, or -1 if this is no response.
long http_reply_feed(struct http_reply *one, const char *bytes, long size, body_seen *body, void *owner);
