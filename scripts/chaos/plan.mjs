import { chanceFrom } from '../world/chance.mjs';
import { spread } from '../world/shapes.mjs';

const weights = { 'self-made': 3, openai: 3, sendgrid: 2, azure: 1, aws: 1, okta: 1, 'gitlab-rotates': 1 };

/** Places in the code at which a worker dies by itself, where the one that is started next is told to. */
const places = [
  ...['generate', 'test', 'promote', 'verify', 'retire', 'confirm'].flatMap((step) => [
    `rotation.${step}:begun`,
    `rotation.${step}:journaling`,
    `rotation.${step}:journaled`,
  ]),
  ...['generate:create', 'generate:remove', 'retire:revoke'].flatMap((call) => [
    `rotation.${call}-before`,
    `rotation.${call}-after`,
  ]),
  ...['generate', 'promote', 'retire'].flatMap((step) => [`rotation.${step}:before`, `rotation.${step}:after`]),
  ...['work.rotation.step:claimed', 'work.rotation.step:did', 'work.rotation.step-now:claimed', 'slack.card:after'],
];

/** What happens, in this order and at these times as far as the machine can keep them; the same for the same seed. */
export function planned({ rotations, seed, redis, ownPostgres }) {
  const chance = chanceFrom(seed);
  const { keys, providers } = spread(rotations, weights, chance);
  const everyMs = rotations <= 100 ? 150 : 250;
  const starts = keys.flatMap(({ number }) => {
    const at = Math.round(chance.between(0, rotations * everyMs));
    const first = { atMs: at, number, emergency: false };
    if (chance.next() > 0.2) return [first];
    return [first, { atMs: at + Math.round(chance.between(200, 8_000)), number, emergency: true }];
  });
  starts.sort((one, other) => one.atMs - other.atMs);

  const mishapChance = chanceFrom(seed ^ 0x5eed);
  const kinds = {
    kill: 12,
    freeze: 3,
    'kill all': 1,
    cut: 2,
    ...(ownPostgres ? { 'restart Postgres': 1, 'crash Postgres': 1 } : { 'break all connections': 2 }),
    ...(redis ? { 'flush Redis': 3, 'cut Redis': 1 } : {}),
  };
  // Each kind once in turn at first, so that a short run meets them all.
  const first = Object.keys(kinds).flatMap((kind) => (kind === 'kill' ? [kind] : ['kill', kind]));
  function mishap() {
    const kind = first.shift() ?? mishapChance.weighed(kinds);
    return {
      kind,
      /** In times that a worker takes to start here: on a slow machine everything is slower. */
      afterStarts: mishapChance.between(0.2, 1.4),
      worker: mishapChance.next(),
      forMs: Math.round(mishapChance.between(200, kind === 'freeze' ? 4_000 : 2_000)),
      /** Where the worker that comes next has to die by itself. */
      nextDiesAt: mishapChance.next() < 0.35 ? mishapChance.of(places) : null,
    };
  }
  const mishaps = Array.from({ length: Math.max(16, Math.round(rotations / 3)) }, mishap);
  return { keys, providers, starts, mishaps };
}
