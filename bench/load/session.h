#ifndef CULVERT_BENCH_SESSION_H
#define CULVERT_BENCH_SESSION_H

#include "options.h"

/* The life of one TURN client: each step but the last three waits for the response to `request`. */
enum step { STEP_CHALLENGE, STEP_ALLOCATE, STEP_BIND, STEP_REFRESH, STEP_READY, STEP_DONE, STEP_FAILED };

#define SESSION_CHANNEL 0x4000

struct session {
  int fd; /* connected to the relay */
  enum step step;
  int tries;
  uint32_t lifetime; /* of the refresh */
  uint64_t sent_at;
  struct sockaddr_in relayed;
  size_t nonce_length;
  char nonce[STUN_NONCE_MAX];
  struct stun_request request;
  char fault[64]; /* why it failed */
};

/* Totals over all sessions of the process. */
extern uint64_t session_retransmissions;
extern uint64_t session_stale; /* answers that wanted another nonce */

/* Opens a socket from `client`, connects it to the relay and sends the first Allocate. */
void session_start(struct session *session, const struct options *options, const struct sockaddr_in *client, uint64_t now);
/* Reads one datagram, if there is one, and takes the next step. Data that arrives meanwhile is dropped. */
void session_receive(struct session *session, const struct options *options, uint64_t now);
/* Refresh (RFC 8656 section 8), which releases with lifetime 0, in seconds: from READY or DONE towards DONE. */
void session_refresh(struct session *session, const struct options *options, uint32_t lifetime, uint64_t now);
/* Sends again what had no answer for too long; after several times the session fails. */
void session_tick(struct session *session, uint64_t now);
bool session_waits(const struct session *session);

#endif
