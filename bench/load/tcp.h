#ifndef CULVERT_BENCH_TCP_H
#define CULVERT_BENCH_TCP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

int tcp_listen(const struct sockaddr_in *local);
/* Begins to connect, non-blocking, without delays for small packets. */
int tcp_connect(const struct sockaddr_in *remote);
/* A connection that waits at the listener; -1 when there is none. */
int tcp_accept(int listener);
/* Whether something listens there. */
bool tcp_takes(const struct sockaddr_in *remote);
/*
 * `count` connections through the relay, both of their ends: connected[i] and accepted[i] are one, as eight bytes show that go first. So what a
 * relay brings that is left over from another run is not taken for ours. At most 64 at a time are under way. Dies when that takes too long.
 */
void tcp_open(const struct sockaddr_in *relay, int listener, int count, int *connected, int *accepted);

#endif
