// Reads the text out of a reply's records and compares every byte with what the engine was asked to write.
#pragma once
#include "styles.h"
#include <stdbool.h>
#include <stdint.h>

struct text_check {
    char *line; // of which a part has come
    int line_size, line_room;
    long position; // bytes of text so far, or stamps
    uint64_t first_ns, last_ns;
    bool ended, wrong;
};

// Called for each piece of text: how many nanoseconds after the piece before it (0: the first) it came.
typedef void text_seen(uint64_t now_ns, uint64_t gap_ns);
// Called for each stamp: the engine's time.
typedef void stamp_seen(uint64_t now_ns, uint64_t written_us);

// Must be called once, before all else. `stamped` says that each token is a time.
void text_check_expect(const struct style *style, long tokens, bool stamped, text_seen *text, stamp_seen *stamp);

void text_check_reset(struct text_check *one);
void text_check_feed(struct text_check *one, const char *bytes, long size);
// The reply is over: whether its text was right, to the last byte. `framed` says that it must have told its end.
bool text_check_finish(struct text_check *one, bool framed);
