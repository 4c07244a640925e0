// The one clock that the engine and the load generator share: a chunk carries the time at which it was written.
#pragma once
#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_S 1000000000ull

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
