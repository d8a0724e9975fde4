#ifndef CULVERT_BENCH_OPTIONS_H
#define CULVERT_BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stun.h"

/* How client and peer reach each other. */
enum protocol {
  PROTOCOL_SELF,      /* without a relay: the load alone */
  PROTOCOL_TURN,      /* an allocation with one channel for each client */
  PROTOCOL_PORTS,     /* a forwarder that knows its clients by port, with one port for each towards the peer */
  PROTOCOL_FORWARD,   /* a port forward: the peer answers whoever it hears from */
  PROTOCOL_PAIR,      /* handshakes of udp-relay 0.8.2; the peer is a client too, with a socket for each flow */
  PROTOCOL_WIREGUARD, /* WireGuard's handshakes and framing without its cryptography; the peer as with pairs */
};

struct options {
  const char *command;
  enum protocol protocol;

  struct sockaddr_in relay; /* where clients send to */
  /* TURN: who we are. */
  const char *user;
  const char *realm;
  /* TURN: long-term key. Pairs: secret of the handshakes. */
  uint8_t key[STUN_KEY_BYTES];
  struct sockaddr_in back; /* ports: where those towards the peer start */

  struct sockaddr_in client; /* client i uses port + i */
  struct sockaddr_in peer;   /* pairs, WireGuard: peer i uses port + i */

  pid_t pid;         /* whose CPU time is read; 0 = nobody's */
  int flows;         /* data */
  int size;          /* payload bytes: data, rtt */
  bool down;         /* data: peer to client */
  int window;        /* data: packets under way at most; 0 = as fast as it goes */
  int rate;          /* rtt: packets a second */
  int count;         /* hold, idle: allocations, pairs, peers, connections */
  int parallel;      /* churn, hold, connect: sessions at a time */
  const char *file;  /* open: where the flows are written down */
  double seconds;    /* of measuring */
  double warm_up;    /* before it */
};

#endif
