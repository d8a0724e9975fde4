#ifndef CULVERT_BENCH_OPTIONS_H
#define CULVERT_BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stun.h"

struct options {
  const char *command; /* ready | data | rtt | churn | hold */

  /* The TURN server, and who we are to it. */
  struct sockaddr_in relay;
  const char *user;
  const char *realm;
  uint8_t key[STUN_KEY_BYTES];

  /* A forwarder without a protocol instead of a TURN server: where its ports towards the peer start (port 0 = TURN). */
  struct sockaddr_in back;

  struct sockaddr_in client; /* client i uses port + i */
  struct sockaddr_in peer;

  pid_t pid;         /* whose CPU time is read; 0 = nobody's */
  int flows;         /* data */
  int size;          /* payload bytes: data, rtt */
  bool down;         /* data: peer to client */
  int window;        /* data: packets under way at most; 0 = as fast as it goes */
  int rate;          /* rtt: packets a second */
  int count;         /* hold: allocations */
  int parallel;      /* churn, hold: sessions at a time */
  double seconds;    /* of measuring */
  double warm_up;    /* before it */
};

#endif
