/*
 * Opens flows and keeps them until it is told to end (SIGTERM), for a load that is not this program. --file gets a line for each: what is to be
 * sent into the relay and what should come out of it, as bench/frames/flows.c reads it.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

/* Of WireGuard, the longest. */
#define PREFIX_MAX 16

static struct flows flows;

static void write_flow(FILE *file, const struct options *options, uint32_t flow);
static void write_prefix(char *text, const struct side *from, const struct side *to, uint32_t flow, const struct options *options);
static void write_end(FILE *file, const struct sockaddr_in *from, const struct sockaddr_in *to, const char *prefix);

void command_open(const struct options *options) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  FILE *file = options->file == NULL ? NULL : fopen(options->file, "w");
  if (file == NULL) die("--file");
  flows_open(&flows, options);
  for (uint32_t flow = 0; flow < (uint32_t)flows.count; flow++) write_flow(file, options, flow);
  if (fclose(file) != 0) die("--file");
  printf("{\"open\":%d}\n", flows.count);
  fflush(stdout);
  int number;
  sigwait(&ends, &number);
  flows_close(&flows, options);
}

static void write_flow(FILE *file, const struct options *options, uint32_t flow) {
  const struct side *source = options->down ? &flows.peer : &flows.client, *sink = options->down ? &flows.client : &flows.peer;
  struct sockaddr_in client = at_port(&options->client, (int)flow);
  struct sockaddr_in peer = flows.peer.shared ? options->peer : at_port(&options->peer, (int)flow);
  /* What the relay is to the peer. */
  struct sockaddr_in back = flows.peer.shared ? flows.peer.to[flow] : options->relay;
  char in[2 * PREFIX_MAX + 1], out[2 * PREFIX_MAX + 1];
  write_prefix(in, source, sink, flow, options);
  write_prefix(out, sink, sink, flow, options);
  /* Framing that the relay keeps has a counter, and it keeps that too. */
  bool kept = source->frame == sink->frame;
  write_end(file, options->down ? &peer : &client, options->down ? &back : &options->relay, in);
  write_end(file, options->down ? &options->relay : &back, options->down ? &client : &peer, kept ? in : out);
  fputc('\n', file);
}

static void write_prefix(char *text, const struct side *from, const struct side *to, uint32_t flow, const struct options *options) {
  uint8_t packet[PAYLOAD_MAX + PREFIX_MAX];
  size_t bytes = packet_write(packet, from, to, flow, options->size, 0) - (size_t)options->size;
  for (size_t i = 0; i < bytes; i++) sprintf(text + 2 * i, "%02x", packet[i]);
  if (bytes == 0) strcpy(text, "-");
}

static void write_end(FILE *file, const struct sockaddr_in *from, const struct sockaddr_in *to, const char *prefix) {
  char addresses[2][INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &from->sin_addr, addresses[0], INET_ADDRSTRLEN);
  inet_ntop(AF_INET, &to->sin_addr, addresses[1], INET_ADDRSTRLEN);
  fprintf(file, "%s:%d %s:%d %s ", addresses[0], ntohs(from->sin_port), addresses[1], ntohs(to->sin_port), prefix);
}
