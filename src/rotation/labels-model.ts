import { type Condition, type Issued, type Rotation, unique } from './model.ts';

/** Stages of each version, as the store has them. */
export type Stages = { id: string; stages: string[] }[];

export const holderOf = (stages: Stages, label: string) =>
  stages.find((version) => version.stages.includes(label))?.id ?? null;

const labelled = (stages: Stages, version: string | null) =>
  stages.some((each) => each.id === version && each.stages.some((stage) => stage !== 'AWSPENDING'));

/** What the store itself says works: a value that a label other than AWSPENDING leads to, and that we have neither disabled nor replaced. */
export function conditionIn(
  stages: Stages,
  rotation: Pick<Rotation, 'oldVersion' | 'newVersion'> & { issued?: Issued[]; replacement?: Rotation['replacement'] },
): Condition {
  const current = holderOf(stages, 'AWSCURRENT');
  const stopped = rotation.issued?.some((each) => each.version === rotation.oldVersion && each.disabled && !each.ended);
  const old = labelled(stages, rotation.oldVersion) && !stopped && !rotation.replacement;
  if (current !== null && current === rotation.newVersion) return old ? 'both' : 'new';
  return old ? 'old' : 'none';
}

/** What to do about AWSCURRENT so that the new version has it. Anybody else's change stops the rotation. */
export function switchOver(
  stages: Stages,
  rotation: Rotation,
): { is: 'done' } | { is: 'open'; from: string } | { is: 'foreign'; holder: string | null } {
  const holder = holderOf(stages, 'AWSCURRENT');
  if (holder === rotation.newVersion) return { is: 'done' };
  const ours = [rotation.oldVersion, ...rotation.cleanup, ...rotation.tried];
  return holder && ours.includes(holder) ? { is: 'open', from: holder } : { is: 'foreign', holder };
}

/** Which labels have to go before the old value is dead, in this order; exact targets, so that a late repetition hits nothing else. */
export function labelsToRetire(stages: Stages, rotation: Rotation): { stage: string; version: string }[] {
  const dead = new Set(unique([rotation.oldVersion, ...rotation.cleanup, ...rotation.tried]));
  return stages.flatMap((version) =>
    version.stages
      .filter((stage) =>
        version.id === rotation.newVersion ? stage === 'AWSPENDING' : dead.has(version.id) && stage !== 'AWSCURRENT',
      )
      .map((stage) => ({ stage, version: version.id })),
  );
}

/** Which labels have to go when the new values are thrown away. */
export function labelsToDiscard(stages: Stages, rotation: Rotation): { stage: string; version: string }[] {
  return stages.flatMap((version) =>
    version.stages
      .filter((stage) =>
        rotation.tried.includes(version.id)
          ? stage !== 'AWSCURRENT'
          : stage === 'AWSPENDING' && rotation.cleanup.includes(version.id) && version.id !== rotation.oldVersion,
      )
      .map((stage) => ({ stage, version: version.id })),
  );
}
