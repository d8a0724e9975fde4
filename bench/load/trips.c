#include "trips.h"

#include <stdio.h>
#include <stdlib.h>

#include "util.h"

#define GRACE_NS (200 * NS_PER_MS)

static int by_size(const void *a, const void *b);

void trips_begin(struct trips *trips, const struct options *options) {
  trips->warm_up = (size_t)(options->warm_up * options->rate);
  trips->total = trips->warm_up + (size_t)(options->seconds * options->rate);
  trips->seen = trips->kept = 0;
  trips->times = calloc(trips->total, sizeof *trips->times);
  if (trips->times == NULL) die("calloc");
}

void trips_add(struct trips *trips, uint64_t nanoseconds) {
  if (trips->seen++ >= trips->warm_up && trips->seen <= trips->total) trips->times[trips->kept++] = nanoseconds;
}

bool trips_are_over(const struct trips *trips, uint64_t last_sent_at) {
  return trips->seen >= trips->total || now_ns() >= last_sent_at + GRACE_NS;
}

void trips_print(struct trips *trips) {
  if (trips->kept == 0) die_plain("nothing came back through the relay");
  qsort(trips->times, trips->kept, sizeof *trips->times, by_size);
  printf("{\"trips\":%zu,\"lost\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n", trips->kept, trips->total - trips->seen,
         (double)trips->times[trips->kept / 2] / 1e3, (double)trips->times[trips->kept * 99 / 100] / 1e3,
         (double)trips->times[trips->kept - 1] / 1e3);
  fflush(stdout);
  free(trips->times);
}

static int by_size(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}
