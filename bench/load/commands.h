#ifndef CULVERT_BENCH_COMMANDS_H
#define CULVERT_BENCH_COMMANDS_H

#include "options.h"

/* Each prints one line of JSON on stdout, or dies with a reason. */
void command_ready(const struct options *options);   /* waits until the relay answers a Binding request, or takes a TCP connection */
void command_data(const struct options *options);    /* saturates the data path one way */
void command_rtt(const struct options *options);     /* round trips at a steady rate */
void command_spread(const struct options *options);  /* what comes out of the relay for each packet that goes in */
void command_endure(const struct options *options);  /* numbered packets both ways at a steady rate, until stdin ends */
void command_churn(const struct options *options);   /* TURN: allocate, bind, release, over and over */
void command_hold(const struct options *options);    /* TURN: allocates and leaves the allocations behind */
void command_meet(const struct options *options);    /* pairs, WireGuard, forwards: new sessions one after the other; leaves them behind */
void command_stream(const struct options *options);  /* TCP: saturates connections one way */
void command_connect(const struct options *options); /* TCP: connect, request, reply, close, over and over */
void command_trip(const struct options *options);    /* TCP: small requests and replies at a steady rate */
void command_idle(const struct options *options);    /* TCP: opens connections and keeps them until stdin ends */
void command_open(const struct options *options);    /* opens flows for another load, and keeps them until SIGTERM */

#endif
