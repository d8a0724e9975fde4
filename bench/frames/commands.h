#ifndef CULVERT_BENCH_FRAMES_COMMANDS_H
#define CULVERT_BENCH_FRAMES_COMMANDS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

struct options {
  const char *object; /* compiled for the kernel */
  const char *flows;  /* run: file with a flow a line, see flows.c */
  const char *in, *out; /* run: where frames are sent, and where they are looked for; limit: where they come in and go out */
  const char *in_space, *out_space; /* run: network namespaces of those, as paths; NULL = this one */
  uint8_t gateway[6]; /* hardware address that frames go to */
  struct sockaddr_in from, to, out_from, out_to; /* limit */
  int size;   /* payload bytes behind the prefix */
  int train;
  int window;
  int rate;   /* frames a second; 0 = as fast as they go */
  int batch;  /* frames that leave together */
  uint64_t count;
  pid_t pid;  /* whose CPU time is read */
  int core;   /* whose busy time is read */
  double seconds, warm_up;
};

void command_run(const struct options *options);   /* prints one line of JSON */
void command_limit(const struct options *options); /* until it is killed */

#endif
