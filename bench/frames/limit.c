/* The bare rewrite as a contestant: attached until this process ends. */
#include "limit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"

void command_limit(const struct options *options) {
  struct limit_plan *plan;
  struct bpf_object *object = load_object(options->object, sizeof *plan, (void **)&plan);
  uint8_t mac[6];
  struct sockaddr_in before[2] = {options->from, options->to}, after[2] = {options->out_from, options->out_to};
  uint32_t sum = 0;
  for (int i = 0; i < 2; i++) {
    uint32_t address = ~after[i].sin_addr.s_addr;
    sum = sum_words(&before[i].sin_addr, 4, sum_words(&address, 4, sum));
  }
  plan->port = options->to.sin_port;
  plan->from = options->out_from.sin_addr.s_addr;
  plan->to = options->out_to.sin_addr.s_addr;
  plan->from_port = options->out_from.sin_port;
  plan->to_port = options->out_to.sin_port;
  plan->check_change = fold(sum);
  plan->out = interface_of(options->out, mac);
  memcpy(plan->ethernet, options->gateway, 6);
  memcpy(plan->ethernet + 6, mac, 6);
  attach_xdp(program_of(object, "rewrite"), interface_of(options->in, mac));
  puts("ready");
  fflush(stdout);
  pause();
}
