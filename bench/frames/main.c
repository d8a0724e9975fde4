/* The load of the engines' benchmark. The driver in TypeScript says what to do. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../load/util.h"
#include "commands.h"
#include "common.h"
#include "shared.h"

static void parse(struct options *options, int argc, char **argv);

int main(int argc, char **argv) {
  struct options options = {.size = 160, .train = 1, .batch = 64, .seconds = 1};
  errno = 0;
  if (argc < 2) die_plain("usage: frames run|limit --option value ...");
  parse(&options, argc - 1, argv + 1);
  if (options.object == NULL || options.in == NULL || options.out == NULL) die_plain("--object, --in and --out are needed");
  if (options.size < (int)(TEMPLATE_BYTES - HEADER_BYTES) || options.size > FRAME_MAX - HEADER_BYTES - PREFIX_MAX) die_plain("--size is out of range");
  if (strcmp(argv[1], "run") == 0) command_run(&options);
  else if (strcmp(argv[1], "limit") == 0) command_limit(&options);
  else die_plain("there are the commands run and limit");
  return 0;
}

static void parse(struct options *options, int argc, char **argv) {
  enum { FROM = 1, TO, OUT_FROM, OUT_TO, IN_SPACE, OUT_SPACE };
  static const struct option names[] = {
      {"object", required_argument, NULL, 'o'},  {"flows", required_argument, NULL, 'f'},    {"in", required_argument, NULL, 'i'},
      {"out", required_argument, NULL, 'O'},     {"gateway", required_argument, NULL, 'g'},  {"from", required_argument, NULL, FROM},
      {"to", required_argument, NULL, TO},       {"out-from", required_argument, NULL, OUT_FROM}, {"out-to", required_argument, NULL, OUT_TO},
      {"size", required_argument, NULL, 's'},    {"train", required_argument, NULL, 't'},    {"window", required_argument, NULL, 'w'},
      {"rate", required_argument, NULL, 'r'},    {"batch", required_argument, NULL, 'b'},    {"count", required_argument, NULL, 'n'},
      {"pid", required_argument, NULL, 'P'},     {"core", required_argument, NULL, 'c'},     {"seconds", required_argument, NULL, 'S'},
      {"warm-up", required_argument, NULL, 'W'}, {"in-space", required_argument, NULL, IN_SPACE}, {"out-space", required_argument, NULL, OUT_SPACE},
      {NULL, 0, NULL, 0},
  };
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (name) {
      case 'o': options->object = optarg; break;
      case 'f': options->flows = optarg; break;
      case 'i': options->in = optarg; break;
      case 'O': options->out = optarg; break;
      case IN_SPACE: options->in_space = optarg; break;
      case OUT_SPACE: options->out_space = optarg; break;
      case 'g': mac_of(options->gateway, optarg); break;
      case FROM: options->from = endpoint_of(optarg); break;
      case TO: options->to = endpoint_of(optarg); break;
      case OUT_FROM: options->out_from = endpoint_of(optarg); break;
      case OUT_TO: options->out_to = endpoint_of(optarg); break;
      case 's': options->size = atoi(optarg); break;
      case 't': options->train = atoi(optarg); break;
      case 'w': options->window = atoi(optarg); break;
      case 'r': options->rate = atoi(optarg); break;
      case 'b': options->batch = atoi(optarg); break;
      case 'n': options->count = strtoull(optarg, NULL, 10); break;
      case 'P': options->pid = atoi(optarg); break;
      case 'c': options->core = atoi(optarg); break;
      case 'S': options->seconds = atof(optarg); break;
      case 'W': options->warm_up = atof(optarg); break;
      default: exit(2);
    }
  }
}
