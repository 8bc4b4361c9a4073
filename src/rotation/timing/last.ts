import { type ApiKey, startsAt } from '../../inventory/model.ts';
import { day, Later } from '../../kernel.ts';
import { entriesBy, type Policy } from '../../policy.ts';
import type { Ports, View } from '../../ports.ts';
import { waitsNow } from '../by-hand/model.ts';
import type { Rotation, Step } from '../model.ts';
import { isOwn } from '../own-model.ts';

/** Both its values work, and it needs the credential only when this is over, and then any that works. */
const rests: ReadonlySet<Step> = new Set(['grace', 'watch']);
/** So long after it is due a credential waits for all rotations that work with it; then only for those that are at work. */
const patienceMs = day;

const isAtWork = (rotation: Rotation) => rotation.record.length > 0 && !rests.has(rotation.step) && !waitsNow(rotation);

/**
 * The running rotations that a credential goes after: those that work with it. One that has not begun, or rests in its
 * grace or because it waits for a person, is waited for by the schedule only, and not for ever: at a busy provider there
 * is always one.
 */
export async function goesAfter(
  view: Pick<View, 'rotations' | 'now'>,
  key: ApiKey,
  { providers }: Policy,
  by: 'schedule' | 'step',
): Promise<Rotation[]> {
  const running: Rotation[] = [];
  for (const entry of entriesBy(key, providers)) running.push(...(await view.rotations.runningAt(entry)));
  const due = startsAt(key);
  const waitsForAll = by === 'schedule' && due !== null && view.now.getTime() - due.getTime() < patienceMs;
  return running.filter((each) => each.keyId !== key.id && (waitsForAll || isAtWork(each)));
}

/** What Keysteward itself works with is made new when nobody else is at work with it; in an emergency at once. */
export async function awaitOthers(run: { ports: Pick<Ports, 'store' | 'policy'>; rotation: Rotation; key: ApiKey }) {
  const { ports, rotation, key } = run;
  if (rotation.emergency || rotation.record.length > 0 || !isOwn(key, ports.policy)) return;
  const others = await ports.store.read((view) => goesAfter(view, key, ports.policy, 'step'));
  if (others.length > 0)
    throw new Later('rotations that work with this credential are under way, and it goes last', 5_000);
}
