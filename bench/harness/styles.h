// How each surface is asked, and where its text is: enough to ask and to check, not to judge the rest.
#pragma once
#include <stdbool.h>

struct style {
    const char *name;
    const char *path;
    const char *text_key; // what stands before each piece of text
    const char *end_mark; // what the last record holds
    const char *body;     // %s: model, %s: "true" or "false", %s: prompt
};

// Returns NULL for an unknown name.
const struct style *style_named(const char *name);
