#define _GNU_SOURCE
#include "tcp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define BACKLOG 4096
#define UNDER_WAY 64
#define OPEN_NS (30 * NS_PER_SECOND)

/* What each connection begins with. */
struct ticket {
  uint32_t run, serial;
};

static void no_delay(int fd);

int tcp_listen(const struct sockaddr_in *local) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) die("socket");
  if (bind(fd, (const struct sockaddr *)local, sizeof *local) != 0 || listen(fd, BACKLOG) != 0) die("listen");
  return fd;
}

int tcp_connect(const struct sockaddr_in *remote) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  no_delay(fd);
  if (connect(fd, (const struct sockaddr *)remote, sizeof *remote) != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

int tcp_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) no_delay(fd);
  return fd;
}

bool tcp_takes(const struct sockaddr_in *remote) {
  int fd = tcp_connect(remote);
  struct pollfd waiting = {.fd = fd, .events = POLLOUT};
  int fault = 1;
  socklen_t size = sizeof fault;
  bool takes = poll(&waiting, 1, 1000) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) == 0 && fault == 0;
  close(fd);
  return takes;
}

void tcp_open(const struct sockaddr_in *relay, int listener, int count, int *connected, int *accepted) {
  int arrivals[2 * UNDER_WAY];
  struct ticket ticket = {.run = random_u32()};
  uint64_t deadline = now_ns() + OPEN_NS;
  int begun = 0, greeted = 0, arrived = 0, waiting = 0;
  while (arrived < count) {
    if (now_ns() > deadline) die_plain("the relay did not bring all connections to the other side in time");
    while (begun < count && begun - arrived < UNDER_WAY) connected[begun++] = tcp_connect(relay);
    /* Until it is connected, sending says EAGAIN. */
    for (ticket.serial = (uint32_t)greeted; greeted < begun; ticket.serial = (uint32_t)++greeted) {
      if (send(connected[greeted], &ticket, sizeof ticket, MSG_NOSIGNAL) != sizeof ticket) break;
    }
    for (int fd; waiting < 2 * UNDER_WAY && (fd = tcp_accept(listener)) >= 0;) arrivals[waiting++] = fd;
    for (int i = 0; i < waiting;) {
      struct ticket shown;
      ssize_t length = recv(arrivals[i], &shown, sizeof shown, 0);
      if (length < 0 && errno == EAGAIN) {
        i++;
        continue;
      }
      if (length == sizeof shown && shown.run == ticket.run && shown.serial < (uint32_t)count) {
        accepted[shown.serial] = arrivals[i];
        arrived++;
      } else {
        close(arrivals[i]);
      }
      arrivals[i] = arrivals[--waiting];
    }
    usleep(100);
  }
}

static void no_delay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY");
}
