#include "common.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../load/util.h"

uint32_t sum_words(const void *bytes, size_t length, uint32_t sum) {
  const uint8_t *at = bytes;
  for (; length >= 2; length -= 2, at += 2) {
    uint16_t word;
    memcpy(&word, at, sizeof word);
    sum += word;
  }
  return length == 0 ? sum : sum + *at;
}

uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

struct sockaddr_in endpoint_of(const char *text) {
  struct sockaddr_in endpoint = {.sin_family = AF_INET};
  char address[INET_ADDRSTRLEN + 1] = "";
  unsigned port = 0;
  if (sscanf(text, "%16[0-9.]:%u", address, &port) != 2 || port > 65535 || inet_pton(AF_INET, address, &endpoint.sin_addr) != 1)
    die_plain("an endpoint is written 192.0.2.1:3478");
  endpoint.sin_port = htons((uint16_t)port);
  return endpoint;
}

void mac_of(uint8_t mac[6], const char *text) {
  if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
    die_plain("a hardware address is written 02:00:00:00:00:01");
}

unsigned interface_of(const char *name, uint8_t mac[6]) {
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) die(name);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  close(fd);
  return if_nametoindex(name);
}

struct bpf_object *load_object(const char *path, size_t variables, void **mapped) {
  if (getenv("CULVERT_BENCH_VERBOSE") == NULL) libbpf_set_print(NULL);
  struct bpf_object *object = bpf_object__open(path);
  if (object == NULL) die(path);
  struct bpf_map *map = bpf_object__find_map_by_name(object, ".bss");
  if (bpf_object__load(object) != 0 || map == NULL) die(path);
  *mapped = mmap(NULL, variables, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (*mapped == MAP_FAILED) die("mmap of the program's variables");
  return object;
}

struct bpf_program *program_of(struct bpf_object *object, const char *name) {
  struct bpf_program *program = bpf_object__find_program_by_name(object, name);
  if (program == NULL) die_plain("the object lacks a program");
  return program;
}

void attach_xdp(struct bpf_program *program, unsigned interface) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
  if (bpf_link_create(bpf_program__fd(program), (int)interface, BPF_XDP, &options) < 0) die("attach an XDP program");
}
