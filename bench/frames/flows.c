/*
 * A line for each flow: what is sent into the relay and what should come out, as
 *
 *   from to prefix   from to prefix
 *
 * with endpoints as 192.0.2.1:3478 and the prefix of the payload in hexadecimal, "-" for none. Prefixes are as long in every line.
 */
#include "flows.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stdio.h>
#include <string.h>

#include "../load/util.h"
#include "common.h"

#define HOP_LIMIT 64

struct end {
  struct sockaddr_in from, to;
  size_t prefix_bytes;
  uint8_t prefix[PREFIX_MAX];
};

static void parse_end(struct end *end, const char *from, const char *to, const char *prefix);
static void write_template(uint8_t *frame, const struct end *end, uint32_t flow, const struct options *options, const uint8_t source_mac[6]);
static void fill(uint8_t *frame, size_t from, size_t to);
static uint32_t pseudo_sum(const struct iphdr *ip, const struct udphdr *udp);

size_t flows_read(struct shared *shared, const struct options *options, const uint8_t source_mac[6]) {
  FILE *file = options->flows == NULL ? NULL : fopen(options->flows, "r");
  if (file == NULL) die("--flows");
  char text[6][64];
  struct end in, out;
  uint32_t flow = 0;
  for (; flow < MAX_FLOWS && fscanf(file, "%63s %63s %63s %63s %63s %63s", text[0], text[1], text[2], text[3], text[4], text[5]) == 6; flow++) {
    parse_end(&in, text[0], text[1], text[2]);
    parse_end(&out, text[3], text[4], text[5]);
    write_template(shared->templates[flow], &in, flow, options, source_mac);
    struct outcome *outcome = &shared->outcomes[flow];
    outcome->from = out.from.sin_addr.s_addr;
    outcome->to = out.to.sin_addr.s_addr;
    outcome->from_port = out.from.sin_port;
    outcome->to_port = out.to.sin_port;
    outcome->udp_length = htons((uint16_t)(sizeof(struct udphdr) + out.prefix_bytes + (size_t)options->size));
    memcpy(outcome->prefix, out.prefix, sizeof outcome->prefix);
  }
  fclose(file);
  if (flow == 0) die_plain("--flows: no line of it can be read");
  shared->plan.flows = flow;
  shared->plan.mark_at = (uint32_t)(HEADER_BYTES + in.prefix_bytes);
  shared->plan.sink_mark_at = (uint32_t)(HEADER_BYTES + out.prefix_bytes);
  shared->plan.sink_prefix = (uint32_t)out.prefix_bytes;
  return HEADER_BYTES + in.prefix_bytes + (size_t)options->size;
}

void flows_frame(uint8_t *frame, const struct shared *shared, size_t length) {
  memcpy(frame, shared->templates[0], TEMPLATE_BYTES);
  fill(frame, shared->plan.mark_at + sizeof(struct mark), length);
}

bool flows_is_right(const struct sample *sample, const struct shared *shared, const struct options *options) {
  const struct iphdr *ip = (const void *)(sample->bytes + sizeof(struct ethhdr));
  const struct udphdr *udp = (const void *)(ip + 1);
  size_t mark_at = shared->plan.sink_mark_at, length = mark_at + (size_t)options->size;
  struct mark mark;
  memcpy(&mark, sample->bytes + mark_at, sizeof mark);
  if (sample->length != length || mark.magic != MAGIC || mark.flow >= shared->plan.flows || mark.unstamp != ~mark.stamp) return false;
  const struct outcome *outcome = &shared->outcomes[mark.flow];
  if (ip->saddr != outcome->from || ip->daddr != outcome->to || udp->source != outcome->from_port || udp->dest != outcome->to_port) return false;
  if (memcmp(sample->bytes + HEADER_BYTES, outcome->prefix, shared->plan.sink_prefix) != 0) return false;
  if (ip->version != 4 || ip->ihl != 5 || ntohs(ip->tot_len) != length - sizeof(struct ethhdr) || fold(sum_words(ip, sizeof *ip, 0)) != 0xffff) return false;
  uint8_t expected[FRAME_MAX];
  fill(expected, mark_at + sizeof mark, length);
  if (memcmp(sample->bytes + mark_at + sizeof mark, expected + mark_at + sizeof mark, length - mark_at - sizeof mark) != 0) return false;
  /* A socket leaves the rest of the sum to the card, which a veth is not. */
  uint32_t pseudo = pseudo_sum(ip, udp);
  bool whole = fold(sum_words(udp, length - ((size_t)((const uint8_t *)udp - sample->bytes)), pseudo)) == 0xffff;
  return udp->check == 0 || whole || udp->check == fold(pseudo);
}

static void parse_end(struct end *end, const char *from, const char *to, const char *prefix) {
  memset(end, 0, sizeof *end);
  end->from = endpoint_of(from);
  end->to = endpoint_of(to);
  if (strcmp(prefix, "-") == 0) return;
  end->prefix_bytes = strlen(prefix) / 2;
  if (end->prefix_bytes > PREFIX_MAX) die_plain("--flows: a prefix is too long");
  for (size_t i = 0; i < end->prefix_bytes; i++)
    if (sscanf(prefix + 2 * i, "%2hhx", &end->prefix[i]) != 1) die_plain("--flows: a prefix is not hexadecimal");
}

/* The checksum is that of the whole datagram, filling included. */
static void write_template(uint8_t *template, const struct end *end, uint32_t flow, const struct options *options, const uint8_t source_mac[6]) {
  uint8_t frame[FRAME_MAX] = {0};
  struct ethhdr *ethernet = (void *)frame;
  struct iphdr *ip = (void *)(ethernet + 1);
  struct udphdr *udp = (void *)(ip + 1);
  struct mark mark = {.magic = MAGIC, .flow = flow, .unstamp = ~0ull};
  size_t mark_at = HEADER_BYTES + end->prefix_bytes, udp_bytes = sizeof *udp + end->prefix_bytes + (size_t)options->size;
  memcpy(ethernet->h_dest, options->gateway, ETH_ALEN);
  memcpy(ethernet->h_source, source_mac, ETH_ALEN);
  ethernet->h_proto = htons(ETH_P_IP);
  ip->version = 4;
  ip->ihl = 5;
  ip->tot_len = htons((uint16_t)(sizeof *ip + udp_bytes));
  ip->frag_off = htons(0x4000);
  ip->ttl = HOP_LIMIT;
  ip->protocol = IPPROTO_UDP;
  ip->saddr = end->from.sin_addr.s_addr;
  ip->daddr = end->to.sin_addr.s_addr;
  ip->check = (uint16_t)~fold(sum_words(ip, sizeof *ip, 0));
  udp->source = end->from.sin_port;
  udp->dest = end->to.sin_port;
  udp->len = htons((uint16_t)udp_bytes);
  memcpy(udp + 1, end->prefix, end->prefix_bytes);
  memcpy(frame + mark_at, &mark, sizeof mark);
  fill(frame, mark_at + sizeof mark, HEADER_BYTES + end->prefix_bytes + (size_t)options->size);
  udp->check = (uint16_t)~fold(sum_words(udp, udp_bytes, pseudo_sum(ip, udp)));
  if (udp->check == 0) udp->check = 0xffff;
  memcpy(template, frame, TEMPLATE_BYTES);
}

/* What it is filled with depends on how far behind the mark it is, so that a shift shows. */
static void fill(uint8_t *frame, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) frame[i] = (uint8_t)(31 * (i - from) + 7);
}

static uint32_t pseudo_sum(const struct iphdr *ip, const struct udphdr *udp) {
  return sum_words(&udp->len, 2, sum_words(&ip->saddr, 8, htons(IPPROTO_UDP)));
}
