import { describe, expect, it } from 'vitest';
import { type Happening, happenings } from '../../src/incidents/severity-model.ts';
import { useStage } from './stage.ts';

const stage = useStage();
const all = Object.entries(happenings) as [Happening, (typeof happenings)[Happening]][];

describe('what happened decides what is done', { timeout: 60_000 }, () => {
  it.each(all)(
    '%s: the key is replaced at once where others may have it or use it, and left alone where not',
    async (how, { contains }) => {
      const { key, version } = await stage.key();
      const { id } = await stage.declare(stage.dev, { keyId: key.id, how });
      await stage.work();
      const rotations = await stage.database.store.read((view) => view.rotations.ofCause(id));
      expect(rotations.map(({ emergency, cause, status }) => ({ emergency, cause, status }))).toEqual(
        contains ? [{ emergency: true, cause: 'incident', status: 'done' }] : [],
      );
      if (contains) expect(await stage.stages(key)).not.toHaveProperty(version);
      else expect((await stage.stages(key))[version]).toEqual(['AWSCURRENT']);
    },
  );

  it('unusual use counts as others using it', () => {
    expect(happenings.unusual.contains).toBe(true);
  });
});
