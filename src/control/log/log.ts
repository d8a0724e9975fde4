import { type DestinationStream, pino } from 'pino';
import { oneLine } from '../one-line.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** The log. Messages are constant texts; what varies is in the fields. Addresses of clients go to `debug` only. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** As opened by the process that writes it. */
export interface ProcessLog extends Log {
  setLevel(level: LogLevel): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'pretty' | 'json';
}

/** Writes to standard error unless told otherwise: standard output belongs to what a command prints. */
export async function openLog({ level, format }: LogOptions, destination?: DestinationStream): Promise<ProcessLog> {
  const stderr = destination ?? pino.destination({ fd: 2, sync: true });
  const stream = format === 'json' ? stderr : await prettyStream(stderr, destination === undefined);
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const at = (name: LogLevel) => (message: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(name)) logger[name](fields === undefined ? {} : clean(fields), oneLine(message));
  };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    setLevel: (to) => {
      logger.level = to;
    },
  };
}

/** In this process and not in a worker, which would cost a heap of its own; loaded only when people read the log. */
async function prettyStream(destination: DestinationStream, isStderr: boolean): Promise<DestinationStream> {
  const { PinoPretty } = await import('pino-pretty');
  return PinoPretty({
    destination: destination as NodeJS.WritableStream & DestinationStream,
    colorize: isStderr && process.stderr.isTTY === true && process.env.NO_COLOR === undefined,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    sync: true,
  });
}

/** Text from outside (a user name, a peer's SOFTWARE) must not be able to write lines of its own or move the cursor. */
function clean(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, cleanValue(value)]));
}

function cleanValue(value: LogFields[string]): LogFields[string] {
  if (typeof value === 'string') return oneLine(value);
  return typeof value === 'object' ? value.map(oneLine) : value;
}
