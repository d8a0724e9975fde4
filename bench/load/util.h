#ifndef CULVERT_BENCH_UTIL_H
#define CULVERT_BENCH_UTIL_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

uint64_t now_ns(void);
/* utime + stime of a process so far (/proc/PID/stat), in seconds; 0 for pid 0. */
double cpu_seconds(pid_t pid);
double own_cpu_seconds(void);
/* A UDP socket bound to `local`, with buffers as large as we are allowed to make them. */
int udp_socket(const struct sockaddr_in *local);
struct sockaddr_in at_port(const struct sockaddr_in *base, int offset);
/* Ends the process with one line on stderr; with errno's text when that is set. */
_Noreturn void die(const char *what);

#endif
