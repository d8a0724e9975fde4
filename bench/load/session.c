#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

/* RFC 8489 section 6.2.1 starts at 500 ms and doubles; on a path without loss a steady interval finds a lost reply sooner. */
#define RETRANSMIT_NS (500 * NS_PER_MS)
#define MAX_TRIES 8
#define UDP_PROTOCOL (17u << 24)

uint64_t session_retransmissions, session_stale;
static uint64_t next_serial = 1;

static void send_allocate(struct session *session, const struct options *options, uint64_t now);
static void send_bind(struct session *session, const struct options *options, uint64_t now);
static void authenticate(struct session *session, const struct options *options);
static void transmit(struct session *session, uint64_t now);
static void fail(struct session *session, const char *what, int code);

void session_start(struct session *session, const struct options *options, const struct sockaddr_in *client, uint64_t now) {
  memset(session, 0, sizeof *session);
  session->fd = udp_socket(client);
  if (connect(session->fd, (const struct sockaddr *)&options->relay, sizeof options->relay) != 0) die("connect to the relay");
  session->step = STEP_CHALLENGE;
  send_allocate(session, options, now);
}

void session_receive(struct session *session, const struct options *options, uint64_t now) {
  uint8_t packet[2048];
  struct stun_response response;
  ssize_t length = recv(session->fd, packet, sizeof packet, MSG_DONTWAIT);
  if (length < 0 && errno != EAGAIN) return fail(session, strerror(errno), 0);
  if (length < 0 || !session_waits(session)) return;
  if (!stun_parse(&session->request, packet, (size_t)length, &response)) return;

  bool success = (response.type & STUN_CLASS_ERROR) == STUN_CLASS_SUCCESS;
  bool stale = response.error == 438;
  if (stale) session_stale++;
  if (response.nonce_length > 0) {
    memcpy(session->nonce, response.nonce, response.nonce_length);
    session->nonce_length = response.nonce_length;
  }
  switch (session->step) {
    case STEP_CHALLENGE:
      if (response.error != 401) return fail(session, "Allocate without credentials", response.error);
      if (response.realm_length != strlen(options->realm) || memcmp(response.realm, options->realm, response.realm_length) != 0)
        return fail(session, "another realm than expected", 0);
      session->step = STEP_ALLOCATE;
      return send_allocate(session, options, now);
    case STEP_ALLOCATE:
      if (stale) return send_allocate(session, options, now);
      if (!success || response.relayed.sin_port == 0) return fail(session, "Allocate", response.error);
      session->relayed = response.relayed;
      session->step = STEP_BIND;
      return send_bind(session, options, now);
    case STEP_BIND:
      if (stale) return send_bind(session, options, now);
      if (!success) return fail(session, "ChannelBind", response.error);
      session->step = STEP_READY;
      return;
    case STEP_REFRESH:
      if (stale) return session_refresh(session, options, session->lifetime, now);
      if (!success) return fail(session, "Refresh", response.error);
      session->step = STEP_DONE;
      return;
    case STEP_READY:
    case STEP_DONE:
    case STEP_FAILED:
      return;
  }
}

void session_refresh(struct session *session, const struct options *options, uint32_t lifetime, uint64_t now) {
  session->step = STEP_REFRESH;
  session->lifetime = lifetime;
  stun_begin(&session->request, STUN_REFRESH, next_serial++);
  stun_add_u32(&session->request, STUN_LIFETIME, lifetime);
  authenticate(session, options);
  transmit(session, now);
}

void session_tick(struct session *session, uint64_t now) {
  if (!session_waits(session) || now - session->sent_at < RETRANSMIT_NS) return;
  if (++session->tries >= MAX_TRIES) return fail(session, "no answer from the relay", 0);
  session_retransmissions++;
  session->sent_at = now;
  if (send(session->fd, session->request.bytes, session->request.length, MSG_DONTWAIT) < 0) return;
}

bool session_waits(const struct session *session) { return session->step < STEP_READY; }

static void send_allocate(struct session *session, const struct options *options, uint64_t now) {
  stun_begin(&session->request, STUN_ALLOCATE, next_serial++);
  stun_add_u32(&session->request, STUN_REQUESTED_TRANSPORT, UDP_PROTOCOL);
  if (session->step != STEP_CHALLENGE) authenticate(session, options);
  transmit(session, now);
}

static void send_bind(struct session *session, const struct options *options, uint64_t now) {
  stun_begin(&session->request, STUN_CHANNEL_BIND, next_serial++);
  stun_add_u32(&session->request, STUN_CHANNEL_NUMBER, SESSION_CHANNEL << 16);
  stun_add_peer(&session->request, &options->peer);
  authenticate(session, options);
  transmit(session, now);
}

static void authenticate(struct session *session, const struct options *options) {
  stun_add(&session->request, STUN_USERNAME, options->user, strlen(options->user));
  stun_add(&session->request, STUN_REALM, options->realm, strlen(options->realm));
  stun_add(&session->request, STUN_NONCE, session->nonce, session->nonce_length);
  stun_sign(&session->request, options->key);
}

static void transmit(struct session *session, uint64_t now) {
  session->tries = 0;
  session->sent_at = now;
  /* A full send buffer is a loss like any other: the tick repeats it. */
  if (send(session->fd, session->request.bytes, session->request.length, MSG_DONTWAIT) < 0 && errno != EAGAIN)
    fail(session, strerror(errno), 0);
}

static void fail(struct session *session, const char *what, int code) {
  session->step = STEP_FAILED;
  if (code != 0)
    snprintf(session->fault, sizeof session->fault, "%.40s: error %d", what, code);
  else
    snprintf(session->fault, sizeof session->fault, "%.60s", what);
}
