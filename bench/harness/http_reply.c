#define _GNU_SOURCE
#include "http_reply.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_reply_reset(struct http_reply *one) {
    one->part = HEAD;
    one->chunk = CHUNK_SIZE;
    one->head_size = one->status = 0;
    one->chunked = one->closes = false;
    one->left = -1;
}

static void read_head(struct http_reply *one) {
    one->status = one->head_size > 9 ? atoi(one->head + 9) : 0;
    for (char *line = strstr(one->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, "transfer-encoding:", 18))
            one->chunked = true;
        else if (!strncasecmp(line, "content-length:", 15))
            one->left = atol(line + 15);
        else if (!strncasecmp(line, "connection: close", 17))
            one->closes = true;
    }
    if (one->chunked) one->left = 0;
    one->closes |= one->left < 0;
    one->part = one->left == 0 && !one->chunked ? OVER : BODY;
}

static long feed_head(struct http_reply *one, const char *bytes, long size) {
    long room = HEAD_BYTES_MAX - one->head_size, part = size < room ? size : room;
    memcpy(one->head + one->head_size, bytes, (size_t)part);
    one->head[one->head_size + part] = 0;
    char *end = strstr(one->head, "\r\n\r\n");
    if (!end) {
        one->head_size += (int)part;
        return one->head_size < HEAD_BYTES_MAX ? part : -1;
    }
    long took = end + 4 - one->head - one->head_size;
    one->head_size = (int)(end + 4 - one->head);
    end[2] = 0;
    read_head(one);
    return took;
}

static int digit(char letter) {
    return letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10;
}

// Reads one byte of what stands between the data of chunks.
static void between(struct http_reply *one, char byte) {
    switch (one->chunk) {
    case CHUNK_SIZE:
        if (isxdigit((unsigned char)byte)) one->left = 16 * one->left + digit(byte);
        if (byte == '\n') one->chunk = one->left ? CHUNK_DATA : TRAILER;
        break;
    case CHUNK_END:
        if (byte == '\n') one->chunk = CHUNK_SIZE;
        break;
    case TRAILER:
        if (byte == '\n') one->part = OVER; // the servers measured here send none
        break;
    case CHUNK_DATA:
        break;
    }
}

static long feed_body(struct http_reply *one, const char *bytes, long size, body_seen *body, void *owner) {
    if (one->chunked && one->chunk != CHUNK_DATA) return between(one, *bytes), 1;
    if (one->left < 0) return body(owner, bytes, size), size;
    long part = size < one->left ? size : one->left;
    body(owner, bytes, part);
    one->left -= part;
    if (!one->left && one->chunked) one->chunk = CHUNK_END;
    if (!one->left && !one->chunked) one->part = OVER;
    return part;
}

long http_reply_feed(struct http_reply *one, const char *bytes, long size, body_seen *body, void *owner) {
    long taken = 0;
    while (taken < size && one->part != OVER) {
        long took = one->part == HEAD ? feed_head(one, bytes + taken, size - taken)
                                      : feed_body(one, bytes + taken, size - taken, body, owner);
        if (took < 0) return -1;
        taken += took;
    }
    return taken;
}
