export const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

/**
 * One statement for many. What comes while rounds run goes into the next, so that a burst costs a few round trips and a
 * single delivery waits for nobody. `run` answers one result, or an Error, for each item.
 */
export function inRounds<I, O>(atOnce: number, run: (items: I[]) => Promise<(O | Error)[]>): (item: I) => Promise<O> {
  const largest = 200;
  const next: { item: I; resolve: (result: O) => void; reject: (error: Error) => void }[] = [];
  let running = 0;
  async function rounds(): Promise<void> {
    running++;
    // Whatever else came in this turn of the event loop comes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (next.length > 0) {
      const round = next.splice(0, largest);
      const results = await run(round.map((each) => each.item)).catch((error: unknown) =>
        round.map(() => asError(error)),
      );
      round.forEach(({ resolve, reject }, i) => {
        const result = results[i]!;
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    }
    running--;
  }
  return (item) =>
    new Promise((resolve, reject) => {
      next.push({ item, resolve, reject });
      if (running < atOnce) void rounds();
    });
}
