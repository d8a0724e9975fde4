/* Waits until a relay serves. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "tcp.h"
#include "util.h"

#define REPEAT_US 10000

static bool answers_binding(int fd, const struct stun_request *request);

/* Once a hundredth of a second, until it answers or --seconds are over. */
void command_ready(const struct options *options) {
  bool turn = options->protocol == PROTOCOL_TURN;
  struct stun_request request;
  int fd = turn ? udp_connected(&options->client, &options->relay) : -1;
  uint64_t start = now_ns();
  /* One transaction, repeated: an answer that took longer than a turn of the loop counts too. */
  stun_begin(&request, STUN_BINDING, 1);
  while (now_ns() - start < (uint64_t)(options->seconds * 1e9)) {
    if (turn ? answers_binding(fd, &request) : tcp_takes(&options->relay)) {
      printf("{\"seconds\":%.3f}\n", (double)(now_ns() - start) / 1e9);
      return;
    }
    if (!turn) usleep(REPEAT_US);
  }
  die_plain(turn ? "the relay does not answer Binding requests" : "the relay takes no connection");
}

static bool answers_binding(int fd, const struct stun_request *request) {
  uint8_t packet[2048];
  struct stun_response response;
  if (send(fd, request->bytes, request->length, 0) < 0) errno = 0; /* ECONNREFUSED until it listens */
  usleep(REPEAT_US);
  ssize_t length = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
  return length > 0 && stun_parse(request, packet, (size_t)length, &response);
}
