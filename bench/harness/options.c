#define _GNU_SOURCE
#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SENTENCE                                                                                                       \
    "You are a concise assistant. Explain how a streaming gateway works, in about a thousand words, with examples. "

static const char usage[] = "usage: loadgen -p PORT -s STYLE -m MODEL [options]\n"
                            "  -c N        connections that are kept busy (64)\n"
                            "  -w S -d S   seconds to warm up, then to measure (1, 5)\n"
                            "  -R US       microseconds between two connections (0)\n"
                            "  -L BYTES    length of the prompt (about a hundred)\n"
                            "  -P PREFIX   stands before the path\n"
                            "  -N          ask for whole replies\n"
                            "  -S          stall: read no reply beyond its head\n"
                            "  -M          hold: end once every stream has begun and -w seconds have passed\n"
                            "  -g PID,...  whose CPU time and memory are told\n"
                            "  -e PID      the engine's\n";

static void refuse(const char *reason) {
    fprintf(stderr, "loadgen: %s\n%s", reason, usage);
    exit(2);
}

static void read_pids(struct options *options, char *list) {
    for (char *pid = strtok(list, ","); pid && options->pids_count < PIDS_MAX; pid = strtok(NULL, ","))
        options->pids[options->pids_count++] = atoi(pid);
}

static void read_model(struct options *options) {
    for (const char *letter = options->model; *letter; letter++) {
        if (letter[0] == '-' && letter[1] == 'n') options->tokens = atol(letter + 2);
        if (letter[0] == '-' && letter[1] == 't') options->stamped = letter[2] == '1';
    }
}

struct options read_options(int count, char **arguments) {
    struct options options = {.connections = 64, .streamed = true, .warm_s = 1, .measure_s = 5, .prefix = ""};
    for (int option; (option = getopt(count, arguments, "p:s:m:P:c:w:d:R:L:g:e:NSM")) > 0;)
        switch (option) {
        case 'p':
            options.port = atoi(optarg);
            break;
        case 's':
            options.style = style_named(optarg);
            break;
        case 'm':
            options.model = optarg;
            break;
        case 'P':
            options.prefix = optarg;
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'w':
            options.warm_s = atof(optarg);
            break;
        case 'd':
            options.measure_s = atof(optarg);
            break;
        case 'R':
            options.ramp_us = atof(optarg);
            break;
        case 'L':
            options.prompt_bytes = atol(optarg);
            break;
        case 'g':
            read_pids(&options, optarg);
            break;
        case 'e':
            options.engine_pid = atoi(optarg);
            break;
        case 'N':
            options.streamed = false;
            break;
        case 'S':
            options.stall = true;
            break;
        case 'M':
            options.hold = true;
            break;
        default:
            refuse("unknown option");
        }
    if (!options.style) refuse("-s must name a style: chat, completions, messages, responses, ollama or generate");
    if (!options.port || !options.model) refuse("-p and -m must be given");
    read_model(&options);
    return options;
}

static char *prompt_of(long bytes) {
    if (bytes < (long)strlen(SENTENCE)) bytes = (long)strlen(SENTENCE);
    char *prompt = malloc((size_t)bytes + 1);
    for (long at = 0; at < bytes; at++)
        prompt[at] = SENTENCE[at % (long)strlen(SENTENCE)];
    prompt[bytes] = 0;
    return prompt;
}

char *request_of(const struct options *options, int *size) {
    char *prompt = prompt_of(options->prompt_bytes), *body, *request;
    // The bodies come from styles.c; each takes these three strings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = asprintf(&body, options->style->body, options->model, options->streamed ? "true" : "false", prompt);
#pragma GCC diagnostic pop
    *size = asprintf(&request,
                     "POST %s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                     "Accept: text/event-stream\r\nAuthorization: Bearer sk-1234\r\nUser-Agent: loadgen/1\r\n"
                     "Content-Length: %d\r\n\r\n%s",
                     options->prefix, options->style->path, options->port, length, body);
    free(prompt);
    free(body);
    return request;
}
