/*
 * Sends frames through one endless BPF_PROG_TEST_RUN, which a second thread ends by a signal: to set one up and tear it down takes as long as
 * a hundred thousand frames.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../load/util.h"
#include "commands.h"
#include "common.h"
#include "flows.h"
#include "shared.h"

/* linux/bpf.h of Debian 12 has it; older ones do not. */
#define LIVE_FRAMES (1u << 1)
#define SAMPLE_EVERY (1u << 14)
/* For frames that are under way when no more are sent. */
#define SETTLE_US 100000
#define AGAIN_US 5000
/* For --count, on a machine that is busy. */
#define COUNT_NS (20 * NS_PER_SECOND)

struct moment {
  uint64_t at, sent, delivered, alien;
  uint32_t latencies;
  double process, core;
};

static struct shared *shared;
static const struct options *chosen;
static pthread_t sender;
static struct moment first, last;
static volatile bool is_over, has_stopped;

static void send_frames(struct bpf_program *program, size_t length);
static void *watch(void *unused);
static void look(struct moment *moment);
static void report(void);
static void on_signal(int number) { (void)number; }
static double core_busy(int core);
static void enter(const char *space);
static int by_size(const void *a, const void *b);
static void rest(double seconds);

void command_run(const struct options *options) {
  chosen = options;
  struct bpf_object *object = load_object(options->object, sizeof *shared, (void **)&shared);
  uint8_t mac[6];
  enter(options->out_space);
  attach_xdp(program_of(object, "sink"), interface_of(options->out, shared->plan.sink_mac));
  enter(options->in_space);
  unsigned in = interface_of(options->in, mac);
  size_t length = flows_read(shared, options, mac);
  struct plan *plan = &shared->plan;
  plan->out = in;
  plan->train = (uint32_t)options->train;
  plan->window = (uint32_t)options->window;
  plan->interval = options->rate > 0 ? NS_PER_SECOND / (uint64_t)options->rate : 0;
  plan->count = options->count;
  plan->sample_mask = options->rate > 0 ? 0 : SAMPLE_EVERY - 1;

  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  sender = pthread_self();
  first.at = now_ns();
  pthread_t watcher;
  if (pthread_create(&watcher, NULL, watch, NULL) != 0) die("pthread_create");
  send_frames(program_of(object, "generate"), length);
  pthread_join(watcher, NULL);
  usleep(SETTLE_US);
  if (options->count > 0) look(&last);
  report();
}

static void send_frames(struct bpf_program *program, size_t length) {
  uint8_t frame[FRAME_MAX];
  flows_frame(frame, shared, length);
  LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (uint32_t)length, .repeat = INT_MAX, .flags = LIVE_FRAMES,
              .batch_size = (uint32_t)chosen->batch);
  while (!is_over) {
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &run) != 0 && errno != EINTR) die("BPF_PROG_TEST_RUN with live frames");
    errno = 0;
  }
  has_stopped = true;
}

static void *watch(void *unused) {
  (void)unused;
  rest(chosen->warm_up);
  if (chosen->count == 0) look(&first);
  rest(chosen->seconds);
  uint64_t until = now_ns() + COUNT_NS;
  while (*(volatile __u64 *)&shared->source.sent < chosen->count && now_ns() < until) rest(0.01);
  look(&last);
  is_over = true;
  /* One that comes just before the call begins ends nothing. */
  for (; !has_stopped; usleep(AGAIN_US)) pthread_kill(sender, SIGUSR1);
  return NULL;
}

static void look(struct moment *moment) {
  moment->at = now_ns();
  moment->sent = *(volatile __u64 *)&shared->source.sent;
  moment->delivered = *(volatile __u64 *)&shared->sink.delivered;
  moment->alien = *(volatile __u64 *)&shared->sink.alien;
  moment->latencies = *(volatile __u32 *)&shared->sink.latencies;
  moment->process = cpu_seconds(chosen->pid);
  moment->core = core_busy(chosen->core);
}

static void report(void) {
  int samples = 0, altered = 0;
  for (int i = 0; i < SAMPLES; i++) {
    if (shared->samples[i].length == 0) continue;
    samples++;
    if (!flows_is_right(&shared->samples[i], shared, chosen)) altered++;
  }
  uint32_t count = last.latencies - first.latencies, *times = shared->latencies + first.latencies;
  qsort(times, count, sizeof *times, by_size);
  printf("{\"seconds\":%.6f,\"sent\":%llu,\"delivered\":%llu,\"alien\":%llu,\"samples\":%d,\"altered\":%d,\"relayCpu\":%.4f,\"coreBusy\":%.4f",
         (double)(last.at - first.at) / 1e9, (unsigned long long)(last.sent - first.sent),
         (unsigned long long)(last.delivered - first.delivered), (unsigned long long)(last.alien - first.alien), samples, altered,
         last.process - first.process, last.core - first.core);
  if (count > 0)
    printf(",\"trips\":%u,\"p50\":%.2f,\"p99\":%.2f", count, times[count / 2] / 1e3, times[(uint64_t)count * 99 / 100] / 1e3);
  printf("}\n");
  fflush(stdout);
}

/* Everything but idle and waiting, seconds since the machine started. */
static double core_busy(int core) {
  char line[512], name[16];
  int length = snprintf(name, sizeof name, "cpu%d ", core);
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL) die("/proc/stat");
  unsigned long user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, (size_t)length) == 0)
      sscanf(line + length, "%lu %lu %lu %lu %lu %lu %lu", &user, &nice, &system, &idle, &wait, &irq, &softirq);
  }
  fclose(file);
  return (double)(user + nice + system + irq + softirq) / (double)sysconf(_SC_CLK_TCK);
}

static void enter(const char *space) {
  if (space == NULL) return;
  int fd = open(space, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(space);
  close(fd);
}

static int by_size(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return left < right ? -1 : left > right;
}

static void rest(double seconds) {
  struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}
