import { createHash, createHmac, randomBytes } from 'node:crypto';
import { type Asked, chance, type Dialect, type FakeKey, pageOf, type Reply, usedAtOf, type World } from './server.ts';

export const awsPair = (AccessKeyId: string, SecretAccessKey: string) =>
  JSON.stringify({ AccessKeyId, SecretAccessKey });
export const awsSecretOf = (admin: string) => `secret-of-${admin}`;
export const newAwsPair = (): { id: string; value: string } => {
  const id = `AKIA${randomBytes(8).toString('hex').toUpperCase()}`;
  return { id, value: awsPair(id, chance(20)) };
};

const xml = (action: string, result: string): Reply => ({
  status: 200,
  headers: { 'content-type': 'text/xml' },
  body: `<${action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>${chance()}</RequestId></ResponseMetadata></${action}Response>`,
});
export const awsError = (status: number, code: string, message: string): Reply => ({
  status,
  headers: { 'content-type': 'text/xml' },
  body: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>${chance()}</RequestId></ErrorResponse>`,
});
const noToken = awsError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');

interface Signed {
  id: string;
  scope: string;
  names: string;
  signature: string;
}
const signed = (asked: Asked): Signed | null => {
  const [, id, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
      asked.headers.authorization ?? '',
    ) ?? [];
  return id && scope && names && signature ? { id, scope, names, signature } : null;
};
/** Signature Version 4, as AWS computes it again: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html */
function isSignedWith(secret: string, asked: Asked, { scope, names, signature }: Signed): boolean {
  const sha = (text: string) => createHash('sha256').update(text).digest('hex');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const headers = names.split(';').map((each) => `${each}:${(asked.headers[each] ?? '').trim()}\n`);
  const request = [asked.method, asked.path, '', headers.join(''), names, sha(asked.text)].join('\n');
  const text = ['AWS4-HMAC-SHA256', asked.headers['x-amz-date'], scope, sha(request)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature;
}

/** IAM and STS for the keys of one user, `deployer`: signed forms in, XML out, never more than two keys. */
export function awsIamDialect(): Dialect {
  const off = new Set<string>();
  const used = new Map<string, string>();
  const madeOn = ({ madeAt }: FakeKey) => `${madeAt.toISOString().slice(0, 19)}Z`;
  const shown = (key: FakeKey) =>
    `<UserName>deployer</UserName><AccessKeyId>${key.id}</AccessKeyId><Status>${off.has(key.id) ? 'Inactive' : 'Active'}</Status><CreateDate>${madeOn(key)}</CreateDate>`;

  function identity(asked: Asked, world: World, by: Signed): Reply {
    const holder = world.keys.find((each) => each.id === by.id);
    const key = holder && world.accepts(holder.value);
    if (!key || off.has(key.id)) return noToken;
    const { SecretAccessKey } = JSON.parse(key.value) as { SecretAccessKey: string };
    if (!isSignedWith(SecretAccessKey, asked, by)) return awsError(403, 'SignatureDoesNotMatch', 'The signature');
    used.set(key.id, `${new Date().toISOString().slice(0, 19)}Z`);
    return xml(
      'GetCallerIdentity',
      '<Arn>arn:aws:iam::123456789012:user/deployer</Arn><Account>123456789012</Account>',
    );
  }
  return {
    credentialOf: (asked) => signed(asked)?.id ?? '',
    kindOf({ body }) {
      const kinds = {
        CreateAccessKey: 'create',
        ListAccessKeys: 'list',
        DeleteAccessKey: 'revoke',
        GetCallerIdentity: 'probe',
      } as const;
      return kinds[body.Action as keyof typeof kinds] ?? 'other';
    },
    handle(asked, world) {
      const { Action, UserName, AccessKeyId, Status, Marker } = asked.body as Record<string, string>;
      const by = signed(asked);
      if (!by) return awsError(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
      if (Action === 'GetCallerIdentity') return identity(asked, world, by);
      const holder = world.keys.find((each) => each.id === by.id && !each.ended && !off.has(each.id));
      if (by.id !== world.admin && !holder) return noToken;
      const secret = holder
        ? (JSON.parse(holder.value) as { SecretAccessKey: string }).SecretAccessKey
        : awsSecretOf(world.admin);
      if (!isSignedWith(secret, asked, by)) return awsError(403, 'SignatureDoesNotMatch', '?');
      if (holder && !world.admits(holder.value)) return awsError(403, 'AccessDenied', 'not authorized');
      if (holder) used.set(holder.id, `${new Date().toISOString().slice(0, 19)}Z`);
      if (Action === 'GetAccessKeyLastUsed') {
        const known = world.keys.find((each) => each.id === AccessKeyId);
        const date = used.get(AccessKeyId!) ?? (known && usedAtOf(known));
        return xml(
          Action,
          `<UserName>deployer</UserName><AccessKeyLastUsed>${date ? `<LastUsedDate>${date}</LastUsedDate>` : ''}<ServiceName>N/A</ServiceName><Region>N/A</Region></AccessKeyLastUsed>`,
        );
      }
      // Left out, it would be the caller's own user: nobody may get here without it.
      if (UserName !== 'deployer')
        return awsError(404, 'NoSuchEntity', `The user with name ${UserName} cannot be found.`);
      const key = world.keys.find((each) => each.id === AccessKeyId && !each.ended);
      const unknown = awsError(404, 'NoSuchEntity', `The Access Key with id ${AccessKeyId} cannot be found.`);
      switch (Action) {
        case 'CreateAccessKey': {
          if (world.keys.filter((each) => !each.ended).length >= 2) {
            return awsError(409, 'LimitExceeded', 'Cannot exceed quota for AccessKeysPerUser: 2');
          }
          const { id, value } = newAwsPair();
          const { SecretAccessKey } = JSON.parse(value) as { SecretAccessKey: string };
          const made = world.make('', value, { id });
          return xml(
            Action,
            `<AccessKey>${shown(made)}<SecretAccessKey>${SecretAccessKey}</SecretAccessKey></AccessKey>`,
          );
        }
        case 'UpdateAccessKey':
          if (!key) return unknown;
          if (Status === 'Active') off.delete(key.id);
          else off.add(key.id);
          return xml(Action, '');
        case 'DeleteAccessKey':
          return world.end(AccessKeyId!) ? xml(Action, '') : unknown;
        default: {
          const page = pageOf(world.listed(), Number(Marker ?? '0'), world.pageSize);
          const rows = page.rows.map((each) => `<member>${shown(each)}</member>`).join('');
          const end = page.next === null ? 'false</IsTruncated>' : `true</IsTruncated><Marker>${page.next}</Marker>`;
          return xml('ListAccessKeys', `<AccessKeyMetadata>${rows}</AccessKeyMetadata><IsTruncated>${end}`);
        }
      }
    },
  };
}
