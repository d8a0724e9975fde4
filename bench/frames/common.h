#ifndef CULVERT_BENCH_COMMON_H
#define CULVERT_BENCH_COMMON_H

#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One's complement sum (RFC 1071) of words as they lie in memory. An odd last byte counts as if a 0 followed. */
uint32_t sum_words(const void *bytes, size_t length, uint32_t sum);
uint16_t fold(uint32_t sum);
/* "192.0.2.1:3478" */
struct sockaddr_in endpoint_of(const char *text);
void mac_of(uint8_t mac[6], const char *text);
/* Of an interface of this network namespace. */
unsigned interface_of(const char *name, uint8_t mac[6]);
/* Loads an object and gives its variables, mapped into this process. */
struct bpf_object *load_object(const char *path, size_t variables, void **mapped);
struct bpf_program *program_of(struct bpf_object *object, const char *name);
/* Natively; it stays there as long as this process lives. */
void attach_xdp(struct bpf_program *program, unsigned interface);

#endif
