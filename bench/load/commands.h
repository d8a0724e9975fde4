#ifndef CULVERT_BENCH_COMMANDS_H
#define CULVERT_BENCH_COMMANDS_H

#include "options.h"

/* Each prints one line of JSON on stdout, or dies with a reason. */
void command_ready(const struct options *options); /* waits until the relay answers a Binding request */
void command_data(const struct options *options);  /* saturates the data path one way */
void command_rtt(const struct options *options);   /* round trips at a steady rate */
void command_churn(const struct options *options); /* allocate, bind, release, over and over */
void command_hold(const struct options *options);  /* allocates and leaves the allocations behind */

#endif
