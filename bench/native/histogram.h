/* Latencies in nanoseconds, counted in buckets: 64 to each power of two, so a quantile is off by 1.6 % at most. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define STEPS_LOG2 6
#define STEPS (1 << STEPS_LOG2)
#define BUCKETS (STEPS * 40) /* up to 2^45 ns, nine hours */

struct histogram {
    uint64_t count;
    uint64_t buckets[BUCKETS];
};

static inline void histogram_record(struct histogram *histogram, uint64_t ns) {
    int shift = ns < STEPS ? 0 : 63 - __builtin_clzll(ns) - STEPS_LOG2;
    uint64_t bucket = (uint64_t)shift * STEPS + (ns >> shift); /* the top bit makes (ns >> shift) 64..127 */
    histogram->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    histogram->count++;
}

/* The upper edge, in microseconds, of the bucket in which the quantile lies; 0 when nothing was counted. */
static inline double histogram_quantile_us(const struct histogram *histogram, double quantile) {
    uint64_t wanted = (uint64_t)(quantile * histogram->count), seen = 0;
    for (uint64_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen <= wanted) continue;
        int shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
        return (double)((bucket - (uint64_t)shift * STEPS + 1) << shift) / 1000.0;
    }
    return 0;
}

#endif
