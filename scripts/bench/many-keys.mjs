import { drizzle } from 'drizzle-orm/node-postgres';

export const owners = 100;
/** So few that a page of any combination of filters is full over ten thousand keys as over a million. */
export const services = 20;
export const ownerId = (n) => `usr_${String(n).padStart(26, '0')}`;
export const serviceName = (n) => `Service ${n}`;

/**
 * So many keys of a company, made by the database itself. The due ones are as many however many keys there are: what
 * grows is the haystack.
 */
export async function makeKeys(client, count) {
  // Indexes are built faster over what is there than filled row by row.
  const { rows: indexes } = await client.query(
    `select indexname as name, indexdef as definition from pg_indexes where tablename = 'api_key' and indexname <> 'api_key_pkey'`,
  );
  await client.query("set maintenance_work_mem = '512MB'");
  await client.query('begin');
  for (const { name } of indexes) await client.query(`drop index ${name}`);
  await client.query("set local session_replication_role = 'replica'");
  await client.query(
    `insert into person (id, slack_id, name, tier, time_zone, status, joined_at)
     select 'usr_' || lpad(n::text, 26, '0'), 'U' || n, 'Person ' || n, 'developer', 'UTC', 'active', now() from generate_series(0, $1 - 1) n`,
    [owners],
  );
  await client.query(
    `insert into api_key (id, name, service, environment, purpose, owner_id, storage, secret_id, scope, flags, tags, issuer, recipe,
       risk, status, last_rotated_at, next_rotation_at, added_by, added_at)
     select 'key_' || lpad(n::text, 26, '0'), service || ' API Key - ' || environment || ' - Purpose ' || n, service, environment, 'Purpose ' || n,
       owner, 'secrets-manager', 'keysteward/bench/' || n, 'Reads', '[]', case when n % 7 = 0 then '["billing"]' else '[]' end::jsonb,
       case when n % 3 = 0 then 'person' else 'self-made' end, '{"length":40,"exclude":"","punctuation":false}',
       (array['high', 'medium', 'low'])[1 + h % 3],
       case when n % 20 = 19 then 'retired' else 'active' end, now() - interval '30 days',
       case when n % 20 = 19 then null
            when n % ($1 / 2000) = 0 then now() - (n / ($1 / 2000)) * interval '1 minute'
            else now() + interval '1 day' + (n % 15000000) * interval '1 second' end,
       owner, now()
     from (select n, abs(hashint8(n) / 2) as h, 'Service ' || abs(hashint8(n + 1) / 2) % ${services} as service,
             (array['production', 'staging', 'development', 'test', 'sandbox', 'demo'])[1 + abs(hashint8(n + 2) / 2) % 6] as environment,
             'usr_' || lpad((abs(hashint8(n + 3) / 2) % ${owners})::text, 26, '0') as owner
           from generate_series(1, $1) n) each`,
    [count],
  );
  for (const { definition } of indexes) await client.query(definition);
  await client.query('commit');
  await client.query('vacuum analyze api_key');
  await client.query('analyze person');
}

/** Every way in which keys are looked for, by name. `reads` are the adapter's own: keyRows and rotationRows over one session. */
export function questions({ keys, rotations }) {
  const soon = new Date(Date.now() + 7 * 86_400_000);
  const failedSince = new Date(Date.now() - 86_400_000);
  const list = (filter) => () => keys.list(filter, 20);
  return {
    list: list({}),
    'list, second page': async () => keys.list({}, 20, (await keys.list({}, 20)).next),
    'list, first page again from the second': async () =>
      keys.list({}, 20, (await keys.list({}, 20, (await keys.list({}, 20)).next)).previous),
    'list by service': list({ service: serviceName(7) }),
    'list by environment': list({ environment: 'production' }),
    'list by risk': list({ risk: 'high' }),
    'list by owner': list({ ownerId: ownerId(7) }),
    'list by due': list({ dueBefore: soon }),
    'list by service, environment and risk': list({ service: serviceName(7), environment: 'production', risk: 'high' }),
    'list by owner and due': list({ ownerId: ownerId(7), dueBefore: soon }),
    'due to rotate': () => rotations.dueKeys(failedSince, null, 100),
    'due to rotate, second page': async () =>
      rotations.dueKeys(failedSince, (await rotations.dueKeys(failedSince, null, 100)).next, 100),
  };
}

/** Beyond what is promised as equally fast over any number, but never by reading every row. */
export function searches({ keys }) {
  return {
    'list of those that nobody has reviewed': () => keys.list({ reviewedBefore: new Date() }, 20),
    'list of those of one owner that nobody has reviewed': () =>
      keys.list({ reviewedBefore: new Date(), ownerId: ownerId(7) }, 20),
    'count of those of one owner that nobody has reviewed': () =>
      keys.count({ reviewedBefore: new Date(), ownerId: ownerId(7) }),
    'list of over-permissioned ones': () => keys.list({ overPermissioned: true }, 20),
    'list of retired ones': () => keys.list({ status: 'retired' }, 20),
    'list with a word': () => keys.list({ words: 'billing' }, 20),
    'list with a number': () => keys.list({ words: 'purpose 4711' }, 20),
    'search for one word': () => keys.search('billing', 50),
    'search for a word that all have': () => keys.search('api key', 50),
    'search for a service and an environment': () => keys.search('service production', 50),
    'search for a number': () => keys.search('purpose 4711', 50),
    'search without words': () => keys.search('', 50),
  };
}

/** A session that remembers what it was asked, as the adapter's reads want it. */
export function listeningSession(client) {
  const asked = [];
  const db = drizzle(client, { logger: { logQuery: (sql, params) => void asked.push({ sql, params }) } });
  return { asked, session: { db, locking: false, keep: (_name, make) => make() } };
}

/** The kinds of node with which a plan touches a table. */
export async function waysInto(client, table, { sql, params }) {
  const { rows } = await client.query(`explain (format json) ${sql}`, params);
  const ways = [];
  const walk = (node) => {
    if (node['Relation Name'] === table) ways.push(node['Node Type']);
    for (const each of node.Plans ?? []) walk(each);
  };
  walk(rows[0]['QUERY PLAN'][0].Plan);
  return ways;
}
