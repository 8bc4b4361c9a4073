import { describe, expect, test } from 'vitest';
import { bench, stages, token } from './stand.ts';

const dayMs = 86_400_000;
const marked = {
  name: 'InvalidRequestException',
  message: "You can't perform this operation on the secret because it was marked for deletion.",
};

describe('deleting', () => {
  test.each([
    [undefined, 30],
    [7, 7],
    [30, 30],
  ])('a window of %s days is %i days', async (RecoveryWindowInDays, days) => {
    const at = new Date('2026-11-24T12:00:00.500Z');
    const { bot } = await bench({ clock: () => at });
    await bot.createSecret({ Name: 's', SecretString: 'v' });
    const { DeletionDate } = await bot.deleteSecret({ SecretId: 's', RecoveryWindowInDays });
    expect(DeletionDate).toEqual(new Date(at.getTime() + days * dayMs));
    expect((await bot.describeSecret({ SecretId: 's' })).DeletedDate).toBeInstanceOf(Date);
  });

  test.each([0, 1, 6, 31])('a window of %i days is refused', async (RecoveryWindowInDays) => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await expect(bot.deleteSecret({ SecretId: 's', RecoveryWindowInDays })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
  });

  test('a window and force together are refused', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await expect(
      bot.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true }),
    ).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  test('twice is refused; by force it works on a marked secret and even on a name that never was', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's', SecretString: 'v' });
    await bot.deleteSecret({ SecretId: 's' });
    await expect(bot.deleteSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'InvalidRequestException' });
    await bot.deleteSecret({ SecretId: 's', ForceDeleteWithoutRecovery: true });
    await expect(bot.describeSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });

    const never = await bot.deleteSecret({ SecretId: 'never-was', ForceDeleteWithoutRecovery: true });
    expect(never).toMatchObject({ Name: 'never-was', DeletionDate: expect.any(Date) as Date });
    expect(never.ARN).toContain(':secret:never-was-');
    await expect(bot.deleteSecret({ SecretId: 'never-was' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('a marked secret can be described, listed on request and restored, and nothing else', async () => {
    const { bot } = await bench();
    const id = { SecretId: 's' };
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a, Tags: [{ Key: 'k', Value: 'v' }] });
    await bot.putSecretValue({ ...id, SecretString: '2', ClientRequestToken: b });
    const before = await stages(bot, 's');
    await bot.deleteSecret(id);

    const policy =
      '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DeleteSecret","Resource":"*"}]}';
    const calls = {
      get: () => bot.getSecretValue(id),
      put: () => bot.putSecretValue({ ...id, SecretString: '3' }),
      update: () => bot.updateSecret({ ...id, Description: 'd' }),
      move: () =>
        bot.updateSecretVersionStage({ ...id, VersionStage: 'AWSCURRENT', RemoveFromVersionId: b, MoveToVersionId: a }),
      tag: () => bot.tagResource({ ...id, Tags: [{ Key: 'x', Value: 'y' }] }),
      untag: () => bot.untagResource({ ...id, TagKeys: ['k'] }),
      policy: () => bot.putResourcePolicy({ ...id, ResourcePolicy: policy }),
      rotate: () => bot.rotateSecret({ ...id, RotationLambdaARN: 'arn:aws:lambda:us-east-1:123456789012:function:f' }),
      replicate: () => bot.replicateSecretToRegions({ ...id, AddReplicaRegions: [{ Region: 'eu-west-1' }] }),
    };
    for (const call of Object.values(calls)) await expect(call()).rejects.toMatchObject(marked);
    await expect(bot.createSecret({ Name: 's', SecretString: 'x' })).rejects.toMatchObject({
      name: 'InvalidRequestException',
      message: "You can't create this secret because a secret with this name is already scheduled for deletion.",
    });
    expect((await bot.listSecrets({})).SecretList).toEqual([]);
    expect((await bot.listSecrets({ IncludePlannedDeletion: true })).SecretList).toMatchObject([
      { Name: 's', DeletedDate: expect.any(Date) as Date },
    ]);

    expect(await bot.restoreSecret(id)).toMatchObject({ Name: 's' });
    expect(await stages(bot, 's')).toEqual(before);
    expect((await bot.getSecretValue(id)).SecretString).toBe('2');
    expect(await bot.describeSecret(id)).not.toHaveProperty('DeletedDate');
  });

  test('when the window is over the secret is gone, and the name is free', async () => {
    const { bot, control } = await bench();
    await bot.createSecret({ Name: 's', SecretString: 'v' });
    await bot.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 7 });
    control.advance(7 * dayMs - 1000);
    expect(await bot.describeSecret({ SecretId: 's' })).toMatchObject({ Name: 's' });
    control.advance(2000);
    expect((await bot.listSecrets({ IncludePlannedDeletion: true })).SecretList).toEqual([]);
    await expect(bot.restoreSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect(await bot.createSecret({ Name: 's', SecretString: 'v' })).toMatchObject({ Name: 's' });
  });
});

describe('tags', () => {
  test('are added, overwritten and removed; once there were some, none is an empty list', async () => {
    const { bot } = await bench();
    const { ARN: SecretId } = await bot.createSecret({ Name: 's' });
    const tags = async () => (await bot.describeSecret({ SecretId })).Tags;
    const [one, two] = [
      { Key: 'tag1', Value: 'value1' },
      { Key: 'tag2', Value: 'value2' },
    ];
    expect(await tags()).toBeUndefined();
    await bot.tagResource({ SecretId, Tags: [one] });
    await bot.tagResource({ SecretId, Tags: [two] });
    expect(await tags()).toEqual([one, two]);
    await bot.tagResource({ SecretId, Tags: [{ Key: 'tag1', Value: 'other' }] });
    expect(await tags()).toEqual([{ Key: 'tag1', Value: 'other' }, two]);
    await bot.untagResource({ SecretId, TagKeys: ['tag1', 'never'] });
    expect(await tags()).toEqual([two]);
    await bot.untagResource({ SecretId, TagKeys: ['tag2'] });
    expect(await tags()).toEqual([]);
  });

  test('keys are case-sensitive, 50 fit, and aws: is reserved', async () => {
    const { bot } = await bench();
    const many = (n: number) => Array.from({ length: n }, (_, i) => ({ Key: `k${i}`, Value: '' }));
    await bot.createSecret({
      Name: 's',
      Tags: [
        { Key: 'ABC', Value: '1' },
        { Key: 'abc', Value: '2' },
      ],
    });
    expect((await bot.describeSecret({ SecretId: 's' })).Tags).toHaveLength(2);
    await bot.tagResource({ SecretId: 's', Tags: many(48) });
    await expect(bot.tagResource({ SecretId: 's', Tags: [{ Key: 'more', Value: '' }] })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await expect(bot.tagResource({ SecretId: 's', Tags: [{ Key: 'aws:x', Value: '' }] })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await expect(bot.tagResource({ SecretId: 's', Tags: [{ Key: 'x'.repeat(129), Value: '' }] })).rejects.toMatchObject(
      { name: 'ValidationException' },
    );
  });
});

describe('replication', () => {
  async function replicated() {
    const stand = await bench();
    const there = stand.as({ region: 'eu-west-1' });
    const made = await stand.bot.createSecret({ Name: 's', SecretString: '1' });
    const answer = await stand.bot.replicateSecretToRegions({
      SecretId: 's',
      AddReplicaRegions: [{ Region: 'eu-west-1' }],
    });
    return { ...stand, there, made, answer };
  }

  test('the replica has the ARN of its region and follows every change', async () => {
    const { bot, there, made, answer } = await replicated();
    const ARN = made.ARN!.replace('us-east-1', 'eu-west-1');
    expect(answer.ReplicationStatus).toMatchObject([{ Region: 'eu-west-1', Status: 'InProgress' }]);
    expect(await bot.describeSecret({ SecretId: 's' })).toMatchObject({
      PrimaryRegion: 'us-east-1',
      ReplicationStatus: [{ Region: 'eu-west-1', Status: 'InSync' }],
    });
    expect(await there.getSecretValue({ SecretId: 's' })).toMatchObject({ ARN, SecretString: '1' });
    await bot.putSecretValue({ SecretId: 's', SecretString: '2' });
    await bot.tagResource({ SecretId: 's', Tags: [{ Key: 'k', Value: 'v' }] });
    expect(await there.getSecretValue({ SecretId: ARN })).toMatchObject({ SecretString: '2' });
    expect(await there.describeSecret({ SecretId: 's' })).toMatchObject({
      PrimaryRegion: 'us-east-1',
      Tags: [{ Key: 'k', Value: 'v' }],
    });
  });

  test('the replica is read-only, and the primary cannot be deleted while it is there', async () => {
    const { bot, there } = await replicated();
    await expect(there.putSecretValue({ SecretId: 's', SecretString: '2' })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await expect(bot.deleteSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await bot.removeRegionsFromReplication({ SecretId: 's', RemoveReplicaRegions: ['eu-west-1'] });
    await expect(there.describeSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    await bot.deleteSecret({ SecretId: 's' });
  });

  test('stopping makes the replica a secret of its own', async () => {
    const { bot, there, made } = await replicated();
    expect(await there.stopReplicationToReplica({ SecretId: 's' })).toMatchObject({
      ARN: made.ARN!.replace('us-east-1', 'eu-west-1'),
    });
    await there.putSecretValue({ SecretId: 's', SecretString: 'mine' });
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('1');
    expect((await bot.describeSecret({ SecretId: 's' })).ReplicationStatus).toEqual([]);
    await expect(there.stopReplicationToReplica({ SecretId: 's' })).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
  });

  test("a taken name fails that replica, unless it may be overwritten; the secret's own region is refused", async () => {
    const { bot, as } = await bench();
    const there = as({ region: 'eu-west-1' });
    await there.createSecret({ Name: 's', SecretString: 'theirs' });
    await bot.createSecret({ Name: 's', SecretString: 'ours' });
    const AddReplicaRegions = [{ Region: 'eu-west-1' }];
    await bot.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions });
    expect((await bot.describeSecret({ SecretId: 's' })).ReplicationStatus).toMatchObject([{ Status: 'Failed' }]);
    expect((await there.getSecretValue({ SecretId: 's' })).SecretString).toBe('theirs');
    await bot.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions, ForceOverwriteReplicaSecret: true });
    expect((await there.getSecretValue({ SecretId: 's' })).SecretString).toBe('ours');
    await expect(
      bot.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions: [{ Region: 'us-east-1' }] }),
    ).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });
});
