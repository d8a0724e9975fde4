#ifndef CULVERT_BENCH_TRIPS_H
#define CULVERT_BENCH_TRIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* Round trips that were measured, those of the warm-up not among them. */
struct trips {
  size_t warm_up, total; /* wanted; the first are of the warm-up */
  size_t seen, kept;
  uint64_t *times;
};

void trips_begin(struct trips *trips, const struct options *options);
void trips_add(struct trips *trips, uint64_t nanoseconds);
/* All are back, or those that are not had their time. */
bool trips_are_over(const struct trips *trips, uint64_t last_sent_at);
/* One line of JSON; dies when there is none. */
void trips_print(struct trips *trips);

#endif
