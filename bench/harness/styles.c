#include "styles.h"
#include <stddef.h>
#include <string.h>

#define HEAD "{\"model\":\"%s\",\"stream\":%s,"
#define TURNS "\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"%s\"}]"

static const struct style styles[] = {
    {"chat", "/v1/chat/completions", "\"content\":", "[DONE]", HEAD TURNS ",\"temperature\":0.7,\"max_tokens\":2048}"},
    {"completions", "/v1/completions", "\"text\":", "[DONE]", HEAD "\"prompt\":\"%s\",\"max_tokens\":2048}"},
    {"messages", "/v1/messages", "\"text\":", "\"message_stop\"",
     HEAD "\"max_tokens\":2048,\"system\":\"Be brief.\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}"},
    {"responses", "/v1/responses", "\"delta\":", "\"response.completed\"",
     HEAD "\"instructions\":\"Be brief.\",\"input\":\"%s\",\"max_output_tokens\":2048}"},
    {"ollama", "/api/chat", "\"content\":", "\"done\":true", HEAD TURNS ",\"options\":{\"temperature\":0.7}}"},
    {"generate", "/api/generate", "\"response\":", "\"done\":true",
     HEAD "\"system\":\"Be brief.\",\"prompt\":\"%s\",\"options\":{\"temperature\":0.7}}"},
};

const struct style *style_named(const char *name) {
    for (size_t place = 0; place < sizeof styles / sizeof *styles; place++)
        if (!strcmp(styles[place].name, name)) return &styles[place];
    return NULL;
}
