export interface Turns {
  /** Waits for its turn, then runs; fulfils or rejects as `run` does. */
  take(run: () => Promise<void>): Promise<void>;
  /** Somebody begins (+1) or stops (-1) to wait for an acknowledgement. */
  waitingForAck(change: 1 | -1): void;
}

/** Nobody has waited for an acknowledgement for this long: a burst is over. */
const quietAfterMs = 10;
/** Who takes longer waits for somebody else, such as a slow Slack, and must not keep the others waiting too. */
const givesWayAfterMs = 250;

/**
 * What was acknowledged takes turns in the order it came: `wide` at a time when it is quiet, `narrow` while
 * acknowledgements are waited for. So a burst is acknowledged at full speed whatever its handling costs, and handling
 * never stops.
 */
export function takingTurns({ wide, narrow }: { wide: number; narrow: number }): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;
  let acks = 0;
  let quiet = true;
  let soon: NodeJS.Timeout | undefined;
  const pump = () => {
    while (waiting.length > 0 && running < (quiet ? wide : narrow)) {
      running++;
      waiting.shift()!();
    }
  };
  return {
    async take(run) {
      await new Promise<void>((begin) => {
        waiting.push(begin);
        pump();
      });
      let counts = true;
      const giveWay = () => {
        if (!counts) return;
        counts = false;
        running--;
        pump();
      };
      const slow = setTimeout(giveWay, givesWayAfterMs);
      try {
        await run();
      } finally {
        clearTimeout(slow);
        giveWay();
      }
    },
    waitingForAck(change) {
      acks += change;
      clearTimeout(soon);
      if (acks > 0) quiet = false;
      else if (!quiet) {
        soon = setTimeout(() => {
          quiet = true;
          pump();
        }, quietAfterMs);
      }
    },
  };
}
