import { type Logger, pino } from 'pino';

export type Level = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: Level, message: string, facts?: Record<string, unknown>) => void;

/** One JSON line per entry for machines, or short lines for a person at a terminal. Facts are ids, never values of keys. */
export function openLog(
  level: Level,
  form: 'json' | 'lines',
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  if (form === 'json') {
    const logger: Logger = pino({ level, base: { name: 'keysteward' } }, { write });
    return (at, message, facts) => logger[at](facts ?? {}, message);
  }
  const order: Level[] = ['debug', 'info', 'warn', 'error'];
  const marks: Record<Level, string> = { debug: '·', info: ' ', warn: '!', error: '✗' };
  return (at, message, facts) => {
    if (order.indexOf(at) < order.indexOf(level)) return;
    const extra = facts && at !== 'info' ? ` ${JSON.stringify(facts)}` : '';
    write(`${marks[at]} ${message}${extra}\n`);
  };
}
