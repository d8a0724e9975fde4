#ifndef CULVERT_BENCH_UTIL_H
#define CULVERT_BENCH_UTIL_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#define NS_PER_MS 1000000ull
#define NS_PER_SECOND 1000000000ull

uint64_t now_ns(void);
/* utime + stime so far of a process and of all that came from it, ended ones too when they were waited for, in seconds; 0 for pid 0. */
double cpu_seconds(pid_t pid);
double own_cpu_seconds(void);
/* A UDP socket bound to `local`, with buffers as large as we are allowed to make them. */
int udp_socket(const struct sockaddr_in *local);
int udp_connected(const struct sockaddr_in *local, const struct sockaddr_in *remote);
/* From the system's generator; quality does not matter, difference between runs does. */
uint32_t random_u32(void);
struct sockaddr_in at_port(const struct sockaddr_in *base, int offset);
/* Ends the process with one line on stderr; with errno's text when that is set. */
_Noreturn void die(const char *what);
_Noreturn void die_plain(const char *what);

#endif
