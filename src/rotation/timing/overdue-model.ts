import {
  type ApiKey,
  type OverdueStage,
  overdueStages,
  pausedNow,
  rotatesHere,
  snoozedNow,
} from '../../inventory/model.ts';
import { after, day, type Instant } from '../../kernel.ts';
import { atWork, zoneOf } from '../../people/hours-model.ts';
import type { Person } from '../../people/model.ts';
import { diesAtOnce, type Policy } from '../../policy.ts';
import { openingFor } from './windows-model.ts';

/** When each stage is due for this key, earliest first; a stage that the policy switches off is not in it. */
export function stagesOf(key: Pick<ApiKey, 'nextRotationAt'>, policy: Policy): { stage: OverdueStage; at: Instant }[] {
  const { nextRotationAt } = key;
  if (!nextRotationAt) return [];
  return overdueStages
    .flatMap((stage) => {
      const days = policy.rotation.escalateOverdueDays[stage];
      return days === null ? [] : [{ stage, at: after(nextRotationAt, days * day) }];
    })
    .sort((a, b) => a.at.getTime() - b.at.getTime());
}

/** Who has been told of the due date that the key has now. */
export const toldOf = ({ overdue, nextRotationAt }: Pick<ApiKey, 'overdue' | 'nextRotationAt'>): OverdueStage[] =>
  overdue && overdue.dueAt === nextRotationAt?.toISOString() ? overdue.told : [];

/** Whether the key is late and nobody has decided that it may be, nor is it about to be rotated by itself. */
export function isLate(key: ApiKey, running: boolean, policy: Policy, now: Instant): boolean {
  if (key.status !== 'active' || !key.nextRotationAt || key.nextRotationAt > now || running) return false;
  if (snoozedNow(key, now) || pausedNow(key, now) || (key.plannedAt && key.plannedAt > now)) return false;
  const startsByItself = rotatesHere(key) && !diesAtOnce(key, policy);
  return !(startsByItself && openingFor(key, policy, now).holds.length > 0);
}

/** Whom to tell now of an overdue key. People are told within working hours, the owner in their own zone. */
export function escalationOwed(
  key: ApiKey,
  owner: Pick<Person, 'timeZone' | 'status'> | null,
  running: boolean,
  policy: Policy,
  now: Instant,
): OverdueStage[] {
  if (!isLate(key, running, policy, now)) return [];
  const told = toldOf(key);
  const working = (stage: OverdueStage) => {
    const zone =
      stage === 'owner' && owner?.status === 'active' ? zoneOf(owner.timeZone, policy) : policy.company.timeZone;
    return atWork(zone, policy, now);
  };
  return stagesOf(key, policy)
    .filter(({ stage, at }) => at <= now && !told.includes(stage) && working(stage))
    .map(({ stage }) => stage);
}

export function escalated(key: ApiKey, stages: OverdueStage[]): ApiKey {
  return { ...key, overdue: { dueAt: key.nextRotationAt!.toISOString(), told: [...toldOf(key), ...stages] } };
}
