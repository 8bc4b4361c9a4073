import { type Id, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import type { LineId } from './checklist-model.ts';
import { type Incident, reopened, type Tick, ticked, whyNotReopen, whyNotTick } from './model.ts';
import { workOn } from './work-on.ts';

/** Lines of the checklist are done, or an administrator says why they are not needed. */
export function tickLines(
  ports: Pick<Ports, 'store'>,
  workerId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; lines: LineId[]; verdict: Tick['verdict']; note: string },
): Promise<Incident> {
  const action = ask.verdict === 'done' ? 'incidents.tick' : 'incidents.skip';
  return workOn(ports, workerId, action, ask.incidentId, async (tx, { incident, key, worker }) => {
    refuseIf(whyNotTick(incident, worker, key, ask.lines, ask.verdict, ask.note));
    tx.note({ lines: ask.lines, note: ask.note });
    return ticked(incident, ask.lines, ask.verdict, worker.id, () => ask.note, tx.now);
  });
}

/** A line that somebody ticked is open again. */
export function untickLine(
  ports: Pick<Ports, 'store'>,
  workerId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; line: LineId; why: string },
): Promise<Incident> {
  return workOn(ports, workerId, 'incidents.untick', ask.incidentId, async (tx, { incident, key, worker }) => {
    refuseIf(whyNotReopen(incident, worker, key, ask.line, ask.why));
    tx.note({ line: ask.line, why: ask.why });
    return reopened(incident, ask.line, worker.id, ask.why, tx.now);
  });
}
