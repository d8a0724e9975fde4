/* The load of Culvert's benchmarks: clients and their peers in one process. The driver in TypeScript says what to do. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "flows.h"
#include "util.h"

static const struct {
  const char *name;
  void (*run)(const struct options *options);
} commands[] = {
    {"ready", command_ready},   {"data", command_data}, {"rtt", command_rtt},       {"spread", command_spread},
    {"churn", command_churn},   {"hold", command_hold}, {"meet", command_meet},     {"stream", command_stream},
    {"connect", command_connect}, {"trip", command_trip}, {"idle", command_idle},   {"open", command_open},
    {"endure", command_endure},
};

static _Noreturn void usage(void);
static void parse(struct options *options, int argc, char **argv);
static enum protocol protocol(const char *name);
static struct sockaddr_in endpoint(const char *text);
static void hex_key(uint8_t key[STUN_KEY_BYTES], const char *text);

int main(int argc, char **argv) {
  struct options options = {.user = "", .realm = "", .flows = 1, .size = 160, .rate = 2000, .count = 1000, .parallel = 200, .seconds = 1};
  errno = 0;
  if (argc < 2) usage();
  options.command = argv[1];
  parse(&options, argc - 1, argv + 1);
  if (options.flows < 1 || options.flows > MAX_FLOWS) die("--flows is out of range");
  if (options.size < (int)sizeof(struct mark) || options.size > PAYLOAD_MAX) die("--size is out of range");
  if (options.rate < 1) die("--rate is out of range");

  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(options.command, commands[i].name) != 0) continue;
    commands[i].run(&options);
    return 0;
  }
  usage();
}

static _Noreturn void usage(void) {
  fprintf(stderr, "usage: load");
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) fprintf(stderr, "%c%s", i == 0 ? ' ' : '|', commands[i].name);
  fprintf(stderr, " --option value ...\n");
  exit(2);
}

static void parse(struct options *options, int argc, char **argv) {
  static const struct option names[] = {
      {"relay", required_argument, NULL, 'r'},    {"user", required_argument, NULL, 'u'},    {"realm", required_argument, NULL, 'R'},
      {"key", required_argument, NULL, 'k'},      {"back", required_argument, NULL, 'b'},    {"client", required_argument, NULL, 'c'},
      {"peer", required_argument, NULL, 'p'},     {"pid", required_argument, NULL, 'P'},     {"flows", required_argument, NULL, 'f'},
      {"size", required_argument, NULL, 's'},     {"down", no_argument, NULL, 'd'},          {"window", required_argument, NULL, 'w'},
      {"rate", required_argument, NULL, 'q'},     {"count", required_argument, NULL, 'n'},   {"parallel", required_argument, NULL, 'j'},
      {"seconds", required_argument, NULL, 't'},  {"warm-up", required_argument, NULL, 'W'}, {"protocol", required_argument, NULL, 'o'},
      {"file", required_argument, NULL, 'F'},     {NULL, 0, NULL, 0},
  };
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (name) {
      case 'o': options->protocol = protocol(optarg); break;
      case 'r': options->relay = endpoint(optarg); break;
      case 'u': options->user = optarg; break;
      case 'R': options->realm = optarg; break;
      case 'k': hex_key(options->key, optarg); break;
      case 'b': options->back = endpoint(optarg); break;
      case 'c': options->client = endpoint(optarg); break;
      case 'p': options->peer = endpoint(optarg); break;
      case 'P': options->pid = atoi(optarg); break;
      case 'f': options->flows = atoi(optarg); break;
      case 's': options->size = atoi(optarg); break;
      case 'd': options->down = true; break;
      case 'w': options->window = atoi(optarg); break;
      case 'q': options->rate = atoi(optarg); break;
      case 'n': options->count = atoi(optarg); break;
      case 'j': options->parallel = atoi(optarg); break;
      case 't': options->seconds = atof(optarg); break;
      case 'F': options->file = optarg; break;
      case 'W': options->warm_up = atof(optarg); break;
      default: exit(2);
    }
  }
}

static enum protocol protocol(const char *name) {
  static const char *const names[] = {"self", "turn", "ports", "forward", "pair", "wireguard"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) return (enum protocol)i;
  }
  die("--protocol is one of self, turn, ports, forward, pair, wireguard");
}

static struct sockaddr_in endpoint(const char *text) {
  struct sockaddr_in endpoint = {.sin_family = AF_INET};
  char address[INET_ADDRSTRLEN + 1] = "";
  unsigned port = 0;
  if (sscanf(text, "%16[0-9.]:%u", address, &port) != 2 || port > 65535 || inet_pton(AF_INET, address, &endpoint.sin_addr) != 1)
    die("an endpoint is written 192.0.2.1:3478");
  endpoint.sin_port = htons((uint16_t)port);
  return endpoint;
}

static void hex_key(uint8_t key[STUN_KEY_BYTES], const char *text) {
  for (int i = 0; i < STUN_KEY_BYTES; i++) {
    unsigned byte;
    if (sscanf(text + 2 * i, "%2x", &byte) != 1) die("--key takes 32 hexadecimal digits");
    key[i] = (uint8_t)byte;
  }
}
