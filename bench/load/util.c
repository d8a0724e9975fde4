#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (8 << 20)

static double process_seconds(pid_t pid);

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

double cpu_seconds(pid_t pid) {
  if (pid == 0) return 0;
  double seconds = process_seconds(pid);
  if (seconds < 0) die_plain("the relay is gone: its /proc/PID/stat cannot be read");
  return seconds;
}

/* -1 when it is gone. */
static double process_seconds(pid_t pid) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  bool read = file != NULL && fgets(line, sizeof line, file) != NULL;
  if (file != NULL) fclose(file);
  if (!read) return -1;
  unsigned long user, system;
  long ended_user, ended_system;
  /* The command in brackets may hold spaces: fields are counted from its end. */
  char *rest = strrchr(line, ')');
  if (rest == NULL || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user, &system, &ended_user, &ended_system) != 4)
    die_plain("/proc/PID/stat has another form than expected");
  double seconds = (double)(user + system + (unsigned long)(ended_user + ended_system)) / (double)sysconf(_SC_CLK_TCK);

  /* Children of the main thread: the relays here fork from no other. */
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
  file = fopen(path, "r");
  if (file == NULL) return seconds;
  for (int child; fscanf(file, "%d", &child) == 1;) {
    double more = process_seconds(child);
    if (more > 0) seconds += more;
  }
  fclose(file);
  return seconds;
}

double own_cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int udp_socket(const struct sockaddr_in *local) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int bytes = BUFFER_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  if (bind(fd, (const struct sockaddr *)local, sizeof *local) != 0) {
    char text[INET_ADDRSTRLEN], what[96];
    inet_ntop(AF_INET, &local->sin_addr, text, sizeof text);
    snprintf(what, sizeof what, "bind %s:%d", text, ntohs(local->sin_port));
    die(what);
  }
  return fd;
}

int udp_connected(const struct sockaddr_in *local, const struct sockaddr_in *remote) {
  int fd = udp_socket(local);
  if (connect(fd, (const struct sockaddr *)remote, sizeof *remote) != 0) die("connect");
  return fd;
}

uint32_t random_u32(void) {
  uint32_t value;
  if (getrandom(&value, sizeof value, 0) != sizeof value) die("getrandom");
  return value;
}

struct sockaddr_in at_port(const struct sockaddr_in *base, int offset) {
  struct sockaddr_in endpoint = *base;
  endpoint.sin_port = htons((uint16_t)(ntohs(base->sin_port) + offset));
  return endpoint;
}

_Noreturn void die(const char *what) {
  if (errno != 0)
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  else
    fprintf(stderr, "load: %s\n", what);
  exit(1);
}

_Noreturn void die_plain(const char *what) {
  errno = 0;
  die(what);
}
