/* Small requests and replies on one TCP connection at a steady rate, and connections that only exist. The load spins, as in rtt.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "flows.h"
#include "tcp.h"
#include "trips.h"
#include "util.h"

/* More are not sent, so that no buffer is ever full. */
#define UNDER_WAY 64

struct message {
  size_t length; /* so far */
  uint8_t bytes[PAYLOAD_MAX];
};

static bool receive(int fd, struct message *message, int size);
static void put(int fd, const uint8_t *bytes, int size);

void command_trip(const struct options *options) {
  int client, upstream;
  tcp_open(&options->relay, tcp_listen(&options->peer), 1, &client, &upstream);
  uint64_t interval = NS_PER_SECOND / (uint64_t)options->rate, start = now_ns();
  struct trips trips;
  trips_begin(&trips, options);
  static struct message request, reply;
  uint8_t bytes[PAYLOAD_MAX] = {0};
  for (size_t sent = 0; !trips_are_over(&trips, start + trips.total * interval);) {
    uint64_t now = now_ns();
    if (sent < trips.total && now >= start + sent * interval && sent - trips.seen < UNDER_WAY) {
      memcpy(bytes, &now, sizeof now);
      put(client, bytes, options->size);
      sent++;
    }
    if (receive(upstream, &request, options->size)) put(upstream, request.bytes, options->size);
    if (!receive(client, &reply, options->size)) continue;
    memcpy(&now, reply.bytes, sizeof now);
    trips_add(&trips, now_ns() - now);
  }
  trips_print(&trips);
}

void command_idle(const struct options *options) {
  int *connected = calloc(2 * (size_t)options->count, sizeof *connected);
  if (connected == NULL) die("calloc");
  tcp_open(&options->relay, tcp_listen(&options->peer), options->count, connected, connected + options->count);
  printf("{\"held\":%d}\n", options->count);
  fflush(stdout);
  pause();
}

/* True when a whole one is there; the next call begins another. */
static bool receive(int fd, struct message *message, int size) {
  if (message->length == (size_t)size) message->length = 0;
  ssize_t got = recv(fd, message->bytes + message->length, (size_t)size - message->length, MSG_DONTWAIT);
  if (got == 0) die_plain("the relay closed the connection");
  if (got < 0) {
    if (errno != EAGAIN) die("recv");
    return false;
  }
  message->length += (size_t)got;
  return message->length == (size_t)size;
}

static void put(int fd, const uint8_t *bytes, int size) {
  if (send(fd, bytes, (size_t)size, MSG_NOSIGNAL) != size) die("send");
}
