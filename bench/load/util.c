#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (8 << 20)

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

double cpu_seconds(pid_t pid) {
  if (pid == 0) return 0;
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) {
    errno = 0;
    die("the relay is gone: its /proc/PID/stat cannot be read");
  }
  fclose(file);
  unsigned long user, system;
  /* The command in brackets may hold spaces: fields are counted from its end. */
  char *rest = strrchr(line, ')');
  if (rest == NULL || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    die("parse /proc/PID/stat");
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
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
