import type { Collector } from './exposition.ts';

/** The process itself, by the names that Prometheus' client libraries agree on. */
export const collectProcess: Collector = () => {
  const { user, system } = process.cpuUsage();
  return [
    gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss()),
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time.',
      type: 'counter',
      samples: [{ labels: {}, value: (user + system) / 1e6 }],
    },
    gauge('process_start_time_seconds', 'Start of the process, Unix time.', STARTED),
  ];
};

const STARTED = Math.round(Date.now() - process.uptime() * 1000) / 1000;

function gauge(name: string, help: string, value: number) {
  return { name, help, type: 'gauge', samples: [{ labels: {}, value }] } as const;
}
