import { ApiError, throttled } from './protocol.ts';

/**
 * What the real service does now and then and a stand-in does not, unless asked.
 * - `throttle`: refuses with ThrottlingException before doing anything.
 * - `error`: refuses with an error of this name before doing anything.
 * - `lose-response`: does the work, then breaks the connection.
 * - `delay`: waits so many milliseconds before doing anything.
 * - `stale-read`: answers a read as of before the secret's last change.
 * - `empty-page`: answers a list with no entries and a NextToken.
 *
 * It strikes the next `times` calls (default 1) of that operation (default any) on that secret as the caller names it
 * (default any). Mind that the SDK retries throttling, errors 5xx and broken connections by itself: three attempts.
 */
export type Fault = { operation?: string; secretId?: string; times?: number } & (
  | { kind: 'throttle' }
  | { kind: 'error'; name: string; message?: string; status?: number }
  | { kind: 'lose-response' }
  | { kind: 'delay'; delayMs: number }
  | { kind: 'stale-read' }
  | { kind: 'empty-page' }
);

/** What strikes one call. */
export type Strike = {
  delayMs: number;
  error: ApiError | null;
  loseResponse: boolean;
  stale: boolean;
  emptyPage: boolean;
};

export type Faults = {
  inject(...faults: Fault[]): void;
  clear(): void;
  left(): Fault[];
  /** From now on asked before each operation: what it does not let through is throttled. */
  limit(letsThrough: (operation: string) => boolean): void;
  strike(operation: string, secretId: string | undefined): Strike;
};

const kinds = ['throttle', 'error', 'lose-response', 'delay', 'stale-read', 'empty-page'];
const reads = new Set([
  ...['GetSecretValue', 'BatchGetSecretValue', 'DescribeSecret'],
  ...['ListSecrets', 'ListSecretVersionIds', 'GetResourcePolicy'],
]);

/** Checks a fault that came from outside; throws an `Error` that says what is wrong with it. */
export function readFault(value: unknown): Fault {
  const fault = value as Record<string, unknown> | null;
  if (typeof fault !== 'object' || fault === null || !kinds.includes(fault.kind as string)) {
    throw new Error(`A fault has a kind: ${kinds.join(', ')}.`);
  }
  if (fault.kind === 'error' && typeof fault.name !== 'string') throw new Error('An error fault has a name.');
  if (fault.kind === 'delay' && !(typeof fault.delayMs === 'number' && fault.delayMs >= 0)) {
    throw new Error('A delay fault has delayMs.');
  }
  if (fault.times !== undefined && !(typeof fault.times === 'number' && fault.times > 0)) {
    throw new Error('times is a number above 0.');
  }
  return fault as unknown as Fault;
}

export function openFaults(initial: readonly Fault[] = []): Faults {
  let faults: Fault[] = initial.map((fault) => ({ ...fault }));
  let letsThrough = (_operation: string) => true;
  return {
    inject: (...more) => faults.push(...more.map((fault) => ({ ...fault }))),
    clear: () => (faults = []),
    left: () => faults.map((fault) => ({ ...fault })),
    limit: (by) => (letsThrough = by),
    strike(operation, secretId) {
      const result: Strike = { delayMs: 0, error: null, loseResponse: false, stale: false, emptyPage: false };
      if (!letsThrough(operation)) return { ...result, error: throttled() };
      if (faults.length === 0) return result;
      const fits = (fault: Fault) =>
        (fault.operation === undefined || fault.operation === operation) &&
        (fault.secretId === undefined || fault.secretId === secretId) &&
        (fault.kind !== 'stale-read' || reads.has(operation)) &&
        (fault.kind !== 'empty-page' || operation.startsWith('List') || operation === 'BatchGetSecretValue');
      // One of a kind at a time: two faults of the same kind are for two calls.
      for (const kind of kinds) {
        const fault = faults.find((candidate) => candidate.kind === kind && fits(candidate));
        if (!fault || (result.error && kind === 'error')) continue;
        fault.times = (fault.times ?? 1) - 1;
        if (fault.kind === 'throttle') result.error = throttled();
        if (fault.kind === 'error') {
          result.error = new ApiError(fault.name, fault.message ?? 'Injected.', fault.status ?? statusOf(fault.name));
        }
        if (fault.kind === 'lose-response') result.loseResponse = true;
        if (fault.kind === 'delay') result.delayMs = fault.delayMs;
        if (fault.kind === 'stale-read') result.stale = true;
        if (fault.kind === 'empty-page') result.emptyPage = true;
      }
      faults = faults.filter((fault) => (fault.times ?? 1) > 0);
      return result;
    },
  };
}

function statusOf(name: string): number {
  return name === 'InternalServiceError' || name === 'InternalFailure'
    ? 500
    : name === 'ServiceUnavailable'
      ? 503
      : 400;
}
