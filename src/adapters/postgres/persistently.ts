import pRetry from 'p-retry';
import pg from 'pg';

/** Whether the database said nothing of the matter: the connection broke, or the server is going down or coming up. */
function brokeOff(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || /^(08|53|57P)/.test(error.code ?? '');
}

/**
 * For what others wait for, such as letting go of something: where a connection breaks it is tried again for about four
 * seconds. It may then be done twice, so it has to be safe to repeat.
 */
export async function persistently<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!brokeOff(error)) throw error;
  }
  return pRetry(run, {
    retries: 7,
    minTimeout: 50,
    factor: 2,
    maxTimeout: 1_000,
    // Where connecting itself hangs, the tries do not add up.
    maxRetryTime: 4_000,
    shouldRetry: ({ error }) => brokeOff(error),
  });
}
