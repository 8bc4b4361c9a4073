import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { addKey } from '../../src/inventory/add.ts';
import { changeKey } from '../../src/inventory/change.ts';
import { makeSecret } from '../../src/inventory/make-secret.ts';
import { editionOf, type KeyEntry } from '../../src/inventory/model.ts';
import { Secret } from '../../src/kernel.ts';
import { quick, useStage } from '../rotation/stage.ts';

const stage = useStage(quick);
const entry = (secretId: string, more: Partial<KeyEntry> = {}): KeyEntry => ({
  service: 'Acme',
  environment: 'staging',
  purpose: `Versions ${randomUUID().slice(0, 8)}`,
  ownerId: stage.owner.id,
  storage: 'secrets-manager',
  secretId,
  lastFour: null,
  scope: 'Reads',
  flags: [],
  tags: [],
  createdOn: null,
  expiresAt: null,
  issuer: 'self-made',
  recipe: null,
  lastRotatedAt: null,
  ...more,
});
const versionsOf = (keyId: string) => stage.database.store.read((view) => view.versions.ofKey(keyId));
const stored = async (value: string) => {
  const secretId = `keysteward/versions-${randomUUID()}`;
  const { VersionId } = await stage.bot.createSecret({ Name: secretId, SecretString: value });
  return { secretId, version: VersionId! };
};
const printOf = (value: string) => stage.ports.fingerprints.of(new Secret(value));

test('a secret that is brought in, made here or changed for another is known by its version, its end and its fingerprint', async () => {
  const value = `brought-in-${randomUUID()}`;
  const { secretId, version } = await stored(value);
  const key = await addKey(stage.ports, stage.admin.id, entry(secretId), false);
  const known = { lastFour: value.slice(-4), fingerprint: await printOf(value), currentAt: expect.any(Date) };
  expect(await versionsOf(key.id)).toMatchObject([{ version, ...known }]);

  const moved = `moved-to-${randomUUID()}`;
  const other = await stored(moved);
  const now = await stage.database.store.read((view) => view.keys.get(key.id));
  const edit = { keyId: key.id, edition: editionOf(now), reason: 'It lies elsewhere now' };
  await changeKey(stage.ports, stage.admin.id, edit, () => entry(other.secretId, { purpose: key.purpose }));
  expect((await versionsOf(key.id)).map((each) => each.fingerprint)).toEqual([
    await printOf(value),
    await printOf(moved),
  ]);

  const made = await addKey(stage.ports, stage.admin.id, entry(`keysteward/made-${randomUUID()}`), true);
  expect(await versionsOf(made.id)).toEqual([]);
  await makeSecret(stage.ports, { keyId: made.id });
  const { SecretString } = await stage.bot.getSecretValue({ SecretId: made.secretId! });
  expect(await versionsOf(made.id)).toMatchObject([{ fingerprint: await printOf(SecretString!) }]);
});

test('the secret with the key for fingerprints is nobody’s to bring in, by whatever name', async () => {
  await printOf('so that it exists');
  const { keptIn } = stage.ports.fingerprints;
  const { arn } = (await stage.ports.secrets.describe(keptIn))!;
  for (const secretId of [keptIn, arn, arn.replace(/-\w{6}$/, '')]) {
    await expect(addKey(stage.ports, stage.admin.id, entry(secretId), false)).rejects.toMatchObject({
      code: 'not_allowed',
      field: 'secretId',
    });
  }
  await expect(addKey(stage.ports, stage.admin.id, entry(keptIn), true)).rejects.toMatchObject({ code: 'not_allowed' });
});

test('what is known of a version is never forgotten by who knows less', async () => {
  const { key, version } = await stage.key();
  const save = (facts: { fingerprint: string | null; currentAt: Date | null }) =>
    stage.database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.version', subject: key.id },
      (tx) => tx.versions.save({ keyId: key.id, version, lastFour: null, seenAt: tx.now, ...facts }),
    );
  const fingerprint = await printOf('a value');
  const early = new Date(1_700_000_000_000);
  await save({ fingerprint, currentAt: null });
  await save({ fingerprint: null, currentAt: early });
  await save({ fingerprint: null, currentAt: new Date() });
  expect(await versionsOf(key.id)).toMatchObject([{ fingerprint, currentAt: early }]);
});
