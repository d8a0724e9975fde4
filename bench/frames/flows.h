#ifndef CULVERT_BENCH_FRAMES_FLOWS_H
#define CULVERT_BENCH_FRAMES_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands.h"
#include "shared.h"

/* Frames of each flow and what should become of them, by the file that the options name. Gives the bytes of a frame. */
size_t flows_read(struct shared *shared, const struct options *options, const uint8_t source_mac[6]);
/* The first frame, filling and all. */
void flows_frame(uint8_t *frame, const struct shared *shared, size_t length);
/* Every byte of a frame that came out of the relay, addresses, lengths, checksums and payload. */
bool flows_is_right(const struct sample *sample, const struct shared *shared, const struct options *options);

#endif
