/*
 * Round trips at a steady rate: client, relay, peer (which answers at once), relay, client.
 *
 * The load spins instead of sleeping, so that only the relay's wake-ups are in the figures.
 */
#include <sys/socket.h>

#include "commands.h"
#include "flows.h"
#include "trips.h"
#include "util.h"

#define PACKET_BYTES 2048

static struct flows flows;

static void echo(const struct options *options);

void command_rtt(const struct options *options) {
  flows_open(&flows, options);
  uint64_t interval = NS_PER_SECOND / (uint64_t)options->rate, start = now_ns();
  struct trips trips;
  trips_begin(&trips, options);
  uint8_t packet[PACKET_BYTES];
  struct mark mark;
  for (size_t sent = 0; !trips_are_over(&trips, start + trips.total * interval);) {
    uint64_t now = now_ns();
    if (sent < trips.total && now >= start + sent * interval) {
      size_t length = packet_write(packet, &flows.client, &flows.peer, 0, options->size, now);
      if (packet_send(&flows.client, 0, packet, length)) sent++;
    }
    echo(options);
    ssize_t length = recv(flows.client.fds[0], packet, sizeof packet, MSG_DONTWAIT);
    if (length < 0 || !packet_read(&mark, packet, (size_t)length, &flows.client, 0, options)) continue;
    trips_add(&trips, now_ns() - mark.stamp);
  }
  trips_print(&trips);
  flows_close(&flows, options);
}

static void echo(const struct options *options) {
  uint8_t packet[PACKET_BYTES];
  struct mark mark;
  ssize_t length = recv(flows.peer.fds[0], packet, sizeof packet, MSG_DONTWAIT);
  if (length < 0 || !packet_read(&mark, packet, (size_t)length, &flows.peer, 0, options)) return;
  size_t answer = packet_write(packet, &flows.peer, &flows.client, 0, options->size, mark.stamp);
  if (!packet_send(&flows.peer, 0, packet, answer)) die("echo");
}
