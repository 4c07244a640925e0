// What a run of the load generator is asked to do.
#pragma once
#include "styles.h"
#include <stdbool.h>

#define PIDS_MAX 256

struct options {
    int port;
    const struct style *style;
    const char *model;  // carries what the engine is asked (asked.h), behind any prefix that a gateway wants
    const char *prefix; // of the path, for a gateway that is mounted
    int connections;
    long prompt_bytes;
    bool streamed, stall, hold, stamped;
    long tokens;
    double warm_s, measure_s;
    double ramp_us; // between two connections
    int pids[PIDS_MAX];
    int pids_count;
    int engine_pid;
};

// Prints what is wrong and ends the program where the arguments are not understood.
struct options read_options(int count, char **arguments);
// Makes the request's bytes; the caller frees them.
char *request_of(const struct options *options, int *size);
