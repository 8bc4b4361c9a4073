import { forEach } from '../world/house.mjs';

const terminal = "('done', 'failed', 'rolled-back', 'superseded')";

/** How much there still is to do. */
export async function leftToDo(store) {
  const { rows } = await store.pool.query(
    `select (select count(*)::int from rotation where status not in ${terminal}) as rotations,
            (select count(*)::int from rotation where status in ${terminal}) as ended,
            (select count(*)::int from work where status in ('waiting', 'running') and (name like 'rotation.step%' or name = 'slack.card')) as jobs`,
  );
  return rows[0];
}

/** Everything about everything, from the outside where there is one: for judge.mjs. */
export async function lookAround({ house, world, support }) {
  const { store, sdk } = house;
  const outside = await world.report();
  const rows = async (sql) => (await store.pool.query(sql)).rows;
  const ids = await rows('select id from rotation order by started_at, id');
  const { rotations, inventory } = await store.read(async (view) => {
    const all = { rotations: [], inventory: [] };
    for (const { id } of ids) all.rotations.push(await view.rotations.get(id));
    for (const { key } of house.keys) all.inventory.push(await view.keys.get(key.id));
    return all;
  });
  const secrets = new Map();
  await forEach(house.keys, 8, async ({ key }) => {
    const { VersionIdsToStages: stages = {} } = await sdk.describeSecret({ SecretId: key.secretId });
    const { Versions: versions = [] } = await sdk.listSecretVersionIds({
      SecretId: key.secretId,
      IncludeDeprecated: true,
      MaxResults: 100,
    });
    const values = {};
    for (const { VersionId } of versions)
      values[VersionId] = (await sdk.getSecretValue({ SecretId: key.secretId, VersionId })).SecretString;
    const current = await sdk.getSecretValue({ SecretId: key.secretId });
    secrets.set(key.id, { stages, values, current: { version: current.VersionId, value: current.SecretString } });
  });
  const events = await rows(
    `select subject, action, outcome, convert_from(canonical, 'utf8')::jsonb -> 'facts' as facts from audit_event
     where action like 'rotation.%' order by occurred_at, id`,
  );
  const cards = await rows(
    "select subject, kind, posted_channel as channel, ts, copied from card where kind = 'rotation'",
  );
  return {
    keys: house.keys.map((each, i) => ({
      number: each.number,
      provider: each.provider,
      first: { version: each.key.currentVersion, value: each.first.value },
      inventory: inventory[i],
      secret: secrets.get(each.key.id),
      rotations: rotations.filter(({ keyId }) => keyId === each.key.id),
    })),
    providers: outside.providers,
    messages: outside.messages,
    cards,
    events,
    work: await rows(
      "select name, status, last_error from work where status = 'dead' or status <> 'done' and name like 'rotation.step%'",
    ),
    log: await support.whatIsWrongInTheLog(store.pool),
    struck: outside.struck,
  };
}
