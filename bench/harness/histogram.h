// Counts of microseconds, so that any percentile of a run can be told exactly.
#pragma once
#include <stdint.h>
#include <stdlib.h>

#define HISTOGRAM_US_MAX 2000000

struct histogram {
    uint32_t *counts;
    uint64_t total;
};

static inline struct histogram histogram_new(void) {
    return (struct histogram){calloc(HISTOGRAM_US_MAX + 1, sizeof(uint32_t)), 0};
}

static inline void histogram_add(struct histogram *one, uint64_t us) {
    one->counts[us < HISTOGRAM_US_MAX ? us : HISTOGRAM_US_MAX]++;
    one->total++;
}

// The value that this share of all is at or below; -1 where nothing was counted.
static inline long histogram_at(const struct histogram *one, double share) {
    if (!one->total) return -1;
    uint64_t wanted = (uint64_t)(share * (double)one->total), seen = 0;
    if (wanted >= one->total) wanted = one->total - 1;
    for (long us = 0; us <= HISTOGRAM_US_MAX; us++)
        if ((seen += one->counts[us]) > wanted) return us;
    return HISTOGRAM_US_MAX;
}
