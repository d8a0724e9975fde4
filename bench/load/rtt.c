/*
 * Round trips at a steady rate: client, relay, peer (which answers at once), relay, client.
 *
 * The load spins instead of sleeping, so that only the relay's wake-ups are in the figures.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

#define GRACE_NS (200 * NS_PER_MS)
#define PACKET_BYTES 2048

static struct flows flows;

static void echo(void);
static int by_size(const void *a, const void *b);

void command_rtt(const struct options *options) {
  flows_open(&flows, options);
  uint64_t interval = NS_PER_SECOND / (uint64_t)options->rate;
  size_t warm_up = (size_t)(options->warm_up * options->rate);
  size_t total = warm_up + (size_t)(options->seconds * options->rate);
  uint64_t *trips = calloc(total, sizeof *trips);
  if (trips == NULL) die("calloc");

  uint64_t start = now_ns();
  size_t sent = 0, seen = 0, kept = 0;
  uint8_t packet[PACKET_BYTES];
  struct mark mark;
  while (now_ns() < start + total * interval + GRACE_NS && seen < total) {
    uint64_t now = now_ns();
    if (sent < total && now >= start + sent * interval) {
      size_t length = packet_write(packet, flows.framed, 0, options->size, now);
      if (send(flows.client_fds[0], packet, length, 0) >= 0) sent++;
    }
    echo();
    ssize_t length = recv(flows.client_fds[0], packet, sizeof packet, MSG_DONTWAIT);
    if (length < 0 || !packet_read(&mark, packet, (size_t)length, flows.framed, &flows, options->size)) continue;
    if (seen++ >= warm_up) trips[kept++] = now_ns() - mark.stamp;
  }
  errno = 0;
  if (kept == 0) die("no packet came back through the relay");

  qsort(trips, kept, sizeof *trips, by_size);
  printf("{\"trips\":%zu,\"lost\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n", kept, total - seen,
         (double)trips[kept / 2] / 1e3, (double)trips[kept * 99 / 100] / 1e3, (double)trips[kept - 1] / 1e3);
  fflush(stdout);
  free(trips);
  flows_close(&flows, options);
}

static void echo(void) {
  uint8_t packet[PACKET_BYTES];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  ssize_t length = recvfrom(flows.peer_fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
  if (length > 0 && sendto(flows.peer_fd, packet, (size_t)length, 0, (struct sockaddr *)&from, size) < 0) die("echo");
}

static int by_size(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}
