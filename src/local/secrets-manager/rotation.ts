import { randomUUID } from 'node:crypto';
import { accessDenied, invalidParameter, invalidRequest } from './protocol.ts';
import { committed } from './replication.ts';
import type { Input } from './requests.ts';
import {
  current,
  holderOf,
  nextRotation,
  pending,
  type Rotation,
  type RotationRules,
  type StoredSecret,
  touched,
  type Version,
  versionOf,
  withoutPending,
} from './secrets.ts';
import { type Answer, type Call, changeable, identified, type RotationEvent, type World } from './world.ts';

/**
 * RotateSecret: answers at once, and rotates afterwards. AWSPENDING on another version than the current one blocks every
 * further rotation. A function that is not there is AccessDeniedException, and nothing has changed then (recorded).
 */
export function rotateSecret(world: World, call: Call, input: Input<'RotateSecret'>): Answer {
  const token = input.ClientRequestToken;
  if (!token) throw invalidParameter('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  const secret = changeable(world, call, input.SecretId);
  const before = secret.rotation;
  const functionArn = input.RotationLambdaARN || before?.functionArn;
  const external = secret.type !== undefined && (input.ExternalSecretRotationRoleArn ?? before?.externalRoleArn);
  if (!functionArn && !external)
    throw invalidRequest('No Lambda rotation function ARN is associated with this secret.');
  if (!world.functions.has(functionArn ?? secret.type!)) {
    throw accessDenied(
      'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
    );
  }
  if (input.RotationRules) checkRules(input.RotationRules);
  // A repeated call with its token gets the same answer, whether that rotation still runs or is done.
  if (versionOf(secret, token)) return { ...identified(secret), VersionId: token };
  if (isBlocked(secret)) throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");

  const rotation: Rotation = {
    ...before,
    enabled: true,
    functionArn,
    rules: input.RotationRules ?? before?.rules,
    externalMetadata: input.ExternalSecretRotationMetadata ?? before?.externalMetadata,
    externalRoleArn: input.ExternalSecretRotationRoleArn ?? before?.externalRoleArn,
  };
  start(world, { ...secret, rotation }, token, input.RotateImmediately === false, call.now);
  return { ...identified(secret), VersionId: token };
}

function isBlocked(secret: StoredSecret): boolean {
  const holder = holderOf(secret, pending);
  return holder !== undefined && !holder.stages.includes(current);
}

function checkRules(rules: RotationRules): void {
  if (rules.AutomaticallyAfterDays !== undefined && rules.ScheduleExpression !== undefined) {
    throw invalidParameter('You can use AutomaticallyAfterDays or ScheduleExpression, but not both.');
  }
  const expression = rules.ScheduleExpression;
  if (expression === undefined) return;
  const rate = /^rate\((\d+) (hour|day)s?\)$/.exec(expression);
  if (!rate && !/^cron\([^()]+\)$/.test(expression)) throw invalidParameter('Invalid ScheduleExpression.');
  if (rate?.[2] === 'hour' && Number(rate[1]) < 4) {
    throw invalidParameter('A secret can be rotated as often as every four hours.');
  }
}

/** Announces the new version, without a value; or, to test the function only, with the current one. */
function start(world: World, secret: StoredSecret, versionId: string, testOnly: boolean, now: number): void {
  const announced: Version = {
    id: versionId,
    createdAt: now,
    stages: [pending],
    value: testOnly ? holderOf(secret, current)?.value : undefined,
  };
  const freed = secret.versions.map((version) => ({ ...version, stages: version.stages.filter((s) => s !== pending) }));
  const started = touched(
    secret,
    { versions: [...freed, announced], rotation: { ...secret.rotation!, running: { versionId, testOnly } } },
    now,
  );
  committed(world, started);
  world.trail.service(testOnly ? 'TestRotationStarted' : 'RotationStarted', started, now);
  world.inBackground(() => run(world, started));
}

const steps: readonly RotationEvent['Step'][] = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];

/** Runs the function step by step. It stops without a word when the rotation was cancelled or abandoned meanwhile. */
async function run(world: World, { region, arn, type, rotation }: StoredSecret): Promise<void> {
  const { versionId, testOnly } = rotation!.running!;
  const perform = world.functions.get(rotation!.functionArn ?? type ?? '');
  const stillRunning = () => {
    const secret = world.store.find(region, arn, world.now());
    return secret?.rotation?.running?.versionId === versionId && secret.deleteAt === undefined ? secret : null;
  };
  try {
    for (const Step of testOnly ? (['testSecret'] as const) : steps) {
      if (!stillRunning()) return;
      await perform!({ Step, SecretId: arn, ClientRequestToken: versionId, RotationToken: randomUUID() });
    }
  } catch {
    // What the function threw may quote a value; the event says only that it failed.
    return failed(world, stillRunning(), testOnly);
  }
  const secret = stillRunning();
  if (!secret) return;
  if (!testOnly && holderOf(secret, current)?.id !== versionId) return failed(world, secret, testOnly);

  const now = world.now();
  const done = { ...secret.rotation!, running: undefined, nextAt: nextRotation(secret.rotation!.rules, now) };
  const clean = withoutPending(secret, versionId);
  const versions = testOnly ? clean.versions.filter((version) => version.id !== versionId) : clean.versions;
  committed(world, touched(clean, { versions, rotation: testOnly ? done : { ...done, lastAt: now } }, now));
  world.trail.service(testOnly ? 'TestRotationSucceeded' : 'RotationSucceeded', secret, now);
}

/** AWSPENDING stays where it is, until the rotation is tried again or somebody removes the label. */
function failed(world: World, secret: StoredSecret | null, testOnly: boolean): void {
  if (!secret) return;
  const now = world.now();
  committed(world, touched(secret, { rotation: { ...secret.rotation!, running: undefined } }, now));
  world.trail.service(testOnly ? 'TestRotationFailed' : 'RotationFailed', secret, now);
}

/** Turns rotation off. One under way is stopped, and may leave AWSPENDING on the version in the answer. */
export function cancelRotateSecret(world: World, call: Call, input: Input<'CancelRotateSecret'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  if (!secret.rotation) {
    throw invalidRequest("You tried to cancel the rotation of a secret that doesn't have rotation configured.");
  }
  const running = secret.rotation.running;
  const rotation = { ...secret.rotation, enabled: false, running: undefined, nextAt: undefined };
  committed(world, touched(secret, { rotation }, call.now));
  const left = running?.versionId ?? (isBlocked(secret) ? holderOf(secret, pending)?.id : undefined);
  return { ...identified(secret), ...(left ? { VersionId: left } : {}) };
}

/** Goes on with rotations that the end of the process cut short. */
export function resumeRotations(world: World): void {
  for (const secret of world.store.allRegions(world.now())) {
    const running = secret.rotation?.running;
    if (!running || secret.primaryRegion) continue;
    if (world.functions.has(secret.rotation!.functionArn ?? secret.type ?? ''))
      world.inBackground(() => run(world, secret));
    else failed(world, secret, running.testOnly);
  }
}

/** Starts what is due by the schedule, and tries again what has failed. The service does so by itself; here a test or a demo says when. */
export function startDueRotations(world: World): void {
  const now = world.now();
  for (const secret of world.store.allRegions(now)) {
    const { rotation } = secret;
    if (!rotation?.enabled || rotation.running || secret.primaryRegion || secret.deleteAt !== undefined) continue;
    if (!world.functions.has(rotation.functionArn ?? secret.type ?? '')) continue;
    if (isBlocked(secret)) {
      const versionId = holderOf(secret, pending)!.id;
      const again = touched(secret, { rotation: { ...rotation, running: { versionId, testOnly: false } } }, now);
      committed(world, again);
      world.trail.service('RotationStarted', again, now);
      world.inBackground(() => run(world, again));
    } else if (rotation.nextAt !== undefined && rotation.nextAt <= now) {
      start(world, secret, randomUUID(), false, now);
    }
  }
}
