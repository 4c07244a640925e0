#define _GNU_SOURCE
#include "text_check.h"
#include "clock.h"
#include "tokens.h"
#include <stdlib.h>

#define PIECE_BYTES_MAX 65536
#define COMPLAINTS_MAX 3

static const struct style *style;
static bool is_stamped;
static long expected_size; // bytes of text, or stamps
static char cycle[TOKENS * TOKEN_BYTES_MAX];
static int cycle_size;
static text_seen *on_text;
static stamp_seen *on_stamp;
static int complaints;

void text_check_expect(const struct style *asked, long tokens, bool stamped, text_seen *text, stamp_seen *stamp) {
    style = asked;
    is_stamped = stamped;
    on_text = text;
    on_stamp = stamp;
    long rest = 0;
    for (int place = 0; place < TOKENS; place++) {
        if (place == tokens % TOKENS) rest = cycle_size;
        token_plain(place, cycle + cycle_size);
        cycle_size += (int)strlen(cycle + cycle_size);
    }
    expected_size = stamped ? tokens : tokens / TOKENS * cycle_size + rest;
}

void text_check_reset(struct text_check *one) {
    *one = (struct text_check){.line = one->line, .line_room = one->line_room};
}

static unsigned hex(char digit) {
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 32) - 'a' + 10);
}

static int utf8(unsigned code, char *out) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 63));
    out[2] = (char)(0x80 | (code & 63));
    return 3;
}

// Decodes the JSON string that begins behind a quote; the tokens hold no surrogate pairs. Returns its size.
static int unescape(const char *from, const char *end, char *out) {
    int size = 0;
    while (from < end && *from != '"' && size < PIECE_BYTES_MAX - 4) {
        if (*from != '\\') {
            out[size++] = *from++;
            continue;
        }
        char kind = from[1];
        from += 2;
        if (kind == 'u') {
            size += utf8(hex(from[0]) << 12 | hex(from[1]) << 8 | hex(from[2]) << 4 | hex(from[3]), out + size);
            from += 4;
        } else {
            out[size++] = kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : kind;
        }
    }
    return size;
}

static void compare_stamps(struct text_check *one, const char *text, int size, uint64_t now) {
    for (int at = 0; at + STAMP_DIGITS + 1 <= size; at += STAMP_DIGITS + 1) {
        uint64_t written_us = 0;
        if (text[at] != ' ') {
            one->wrong = true;
            return;
        }
        for (int digit = 1; digit <= STAMP_DIGITS; digit++)
            written_us = written_us << 4 | hex(text[at + digit]);
        on_stamp(now, written_us);
        one->position++;
    }
}

static void compare_text(struct text_check *one, const char *text, int size) {
    for (int at = 0; at < size;) {
        int offset = (int)(one->position % cycle_size);
        int part = size - at < cycle_size - offset ? size - at : cycle_size - offset;
        if (memcmp(cycle + offset, text + at, (size_t)part)) {
            if (!one->wrong && complaints++ < COMPLAINTS_MAX)
                fprintf(stderr, "text differs at byte %ld: got %.*s, expected %.*s\n", one->position, size, text, size,
                        cycle + offset);
            one->wrong = true;
        }
        one->position += part;
        at += part;
    }
}

static void piece(struct text_check *one, const char *from, const char *end) {
    static char text[PIECE_BYTES_MAX];
    int size = unescape(from, end, text);
    if (!size) return;
    uint64_t now = now_ns();
    on_text(now, one->last_ns ? now - one->last_ns : 0);
    one->last_ns = now;
    if (!one->first_ns) one->first_ns = now;
    if (is_stamped)
        compare_stamps(one, text, size, now);
    else
        compare_text(one, text, size);
}

static void line(struct text_check *one, const char *text, long size) {
    const char *end = text + size;
    // Comments, names of events and empty lines hold no text.
    if (size < 2 || (*text != '{' && memcmp(text, "data:", size < 5 ? (size_t)size : 5))) return;
    const char *found = memmem(text, (size_t)size, style->text_key, strlen(style->text_key));
    if (found) {
        found += strlen(style->text_key);
        while (found < end && *found == ' ')
            found++;
        if (found < end && *found == '"') piece(one, found + 1, end);
    }
    if (memmem(text, (size_t)size, style->end_mark, strlen(style->end_mark))) one->ended = true;
}

static void keep(struct text_check *one, const char *bytes, long size) {
    if (one->line_room < one->line_size + size) {
        one->line_room = 2 * (one->line_size + (int)size);
        one->line = realloc(one->line, (size_t)one->line_room);
    }
    memcpy(one->line + one->line_size, bytes, (size_t)size);
    one->line_size += (int)size;
}

void text_check_feed(struct text_check *one, const char *bytes, long size) {
    while (size > 0) {
        const char *feed = memchr(bytes, '\n', (size_t)size);
        if (!feed) {
            keep(one, bytes, size);
            return;
        }
        long part = feed - bytes;
        if (one->line_size) {
            keep(one, bytes, part);
            line(one, one->line, one->line_size);
            one->line_size = 0;
        } else {
            line(one, bytes, part);
        }
        bytes = feed + 1;
        size -= part + 1;
    }
}

bool text_check_finish(struct text_check *one, bool framed) {
    if (one->line_size) line(one, one->line, one->line_size);
    one->line_size = 0;
    bool right = !one->wrong && one->position == expected_size && (one->ended || !framed);
    if (!right && complaints++ < COMPLAINTS_MAX)
        fprintf(stderr, "a reply is wrong: %ld of %ld %s, %s\n", one->position, expected_size,
                is_stamped ? "stamps" : "bytes", one->ended ? "ended" : "without its end");
    return right;
}
