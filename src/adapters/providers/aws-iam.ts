import type * as IamSdk from '@aws-sdk/client-iam';
import type * as StsSdk from '@aws-sdk/client-sts';
import type { Secret } from '../../kernel.ts';
import type { IssuedKey, Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import {
  type Answer,
  answerMs,
  at,
  expected,
  instantAt,
  isTurnedDown,
  listAt,
  type Means,
  textAt,
  unreachable,
} from './call.ts';
import { credentialPair, type Pair, pairIn, providerOfPairs } from './pair.ts';
import { allPages, type Verdict } from './provider.ts';
import { leftBehind } from './unlabelled.ts';

type Sdk = { iam: typeof IamSdk; sts: typeof StsSdk };
const inCredential = { id: 'AccessKeyId', secret: 'SecretAccessKey' };
/** AWS says some of it with HTTP 400. */
const throttled = ['Throttling', 'ThrottlingException', 'TooManyRequestsException', 'RequestLimitExceeded'];

/**
 * Access keys of one IAM user. The value is a JSON document with the id and the secret. Keys have no names there; of those
 * that look left behind, one that somebody has used is none. The user's name goes with every call: without it IAM would act
 * on the caller's own.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
 */
export function awsIam(name: string, settings: ProviderSettings<'aws-iam'>, means: Means): Issuer {
  const UserName = settings.user;
  let loading: Promise<Sdk> | undefined;
  let own: IamSdk.IAMClient | undefined;

  async function load(): Promise<Sdk> {
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    return { iam: await import('@aws-sdk/client-iam'), sts: await import('@aws-sdk/client-sts') };
  }
  const opened = () => {
    loading ??= load();
    return loading;
  };
  const options = (endpoint: string, pair: Pair | null) => ({
    region: settings.region,
    endpoint,
    // A repeated call could make a second key; the rotation's own jobs repeat, and look first.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: answerMs, throwOnRequestTimeout: true },
    ...(pair ? { credentials: { accessKeyId: pair.id, secretAccessKey: pair.secret } } : {}),
  });

  /** One call with Keysteward's credential, or as its own role where there is none. */
  async function admin(
    run: (client: IamSdk.IAMClient, sdk: typeof IamSdk, abortSignal: AbortSignal) => Promise<unknown>,
  ): Promise<Answer> {
    const { iam } = await opened();
    const { credential: secretId } = settings;
    if (secretId === null) {
      own ??= new iam.IAMClient(options(settings.baseUrl, null));
      const client = own;
      return answered(name, (signal) => run(client, iam, signal));
    }
    const by = async (credential: Secret) => {
      const client = new iam.IAMClient(options(settings.baseUrl, credentialPair(credential, secretId, inCredential)));
      return answered(name, (signal) => run(client, iam, signal)).finally(() => client.destroy());
    };
    return means.credentials.using({ provider: name, secretId }, by, isTurnedDown);
  }

  const rows = () =>
    allPages<unknown>(name, async (marker) => {
      const answer = await admin((client, sdk, abortSignal) =>
        client.send(new sdk.ListAccessKeysCommand({ UserName, ...(marker ? { Marker: marker } : {}) }), {
          abortSignal,
        }),
      );
      const { body } = expected(name, 'list access keys', answer, [200]);
      return { rows: listAt(body, '/AccessKeyMetadata'), next: textAt(body, '/Marker') };
    });
  const listed = (row: unknown): IssuedKey => ({
    providerKeyId: textAt(row, '/AccessKeyId') ?? '',
    label: null,
    active: at(row, '/Status') === 'Active',
  });
  async function lastUsed(AccessKeyId: string): Promise<Date | null> {
    const answer = await admin((client, sdk, abortSignal) =>
      client.send(new sdk.GetAccessKeyLastUsedCommand({ AccessKeyId }), { abortSignal }),
    );
    const { body } = expected(name, 'see when a key was used', answer, [200, 404]);
    return instantAt(body, '/AccessKeyLastUsed/LastUsedDate');
  }
  const issuer = providerOfPairs(
    {
      name,
      settings,
      managesKeys: true,
      overlap: 'two',
      keyLimit: 2,
      unlabelled: true,
      async create() {
        const answer = await admin((client, sdk, abortSignal) =>
          client.send(new sdk.CreateAccessKeyCommand({ UserName }), { abortSignal }),
        );
        // Fewer were listed a moment ago: the list lags behind, and what it does not show yet may be ours.
        if (textAt(answer.body, '/code') === 'LimitExceededException') {
          return { notYet: `${name} counts more keys of ${UserName} than it lists` };
        }
        return answer;
      },
      made: ({ body }) => ({
        value: textAt(body, '/AccessKey/SecretAccessKey'),
        providerKeyId: textAt(body, '/AccessKey/AccessKeyId'),
        expiresAt: null,
      }),
      list: async () => (await rows()).map(listed),
      async probe(pair) {
        const { sts } = await opened();
        const client = new sts.STSClient(options(settings.stsUrl, pair));
        return answered(name, (abortSignal) =>
          client.send(new sts.GetCallerIdentityCommand({}), { abortSignal }),
        ).finally(() => client.destroy());
      },
      judge({ status, body }): Verdict {
        if (status === 200) return textAt(body, '/Arn') ? 'works' : 'unclear';
        return status === 403 && textAt(body, '/code') === 'InvalidClientTokenId' ? 'refused' : 'unclear';
      },
      async revoke(_key, AccessKeyId) {
        const answer = await admin((client, sdk, abortSignal) =>
          client.send(new sdk.DeleteAccessKeyCommand({ UserName, AccessKeyId }), { abortSignal }),
        );
        expected(name, 'delete an access key', answer, [200, 404]);
      },
      async enable(_key, AccessKeyId, on) {
        const Status = on ? 'Active' : 'Inactive';
        const answer = await admin((client, sdk, abortSignal) =>
          client.send(new sdk.UpdateAccessKeyCommand({ UserName, AccessKeyId, Status }), { abortSignal }),
        );
        expected(name, `make an access key ${Status}`, answer, [200]);
      },
      lastUsed: (_key, id) => lastUsed(id),
    },
    settings.fields,
    means,
  );
  return {
    ...issuer,
    async find(key, _labels, unanswered) {
      const candidates = await leftBehind(means, key, unanswered, async () =>
        (await rows()).map((row) => ({
          key: listed(row),
          madeAt: instantAt(row, '/CreateDate'),
          isOf: (value: Secret) => pairIn(value, settings.fields)?.id === textAt(row, '/AccessKeyId'),
        })),
      );
      const found: IssuedKey[] = [];
      for (const each of candidates) {
        if (each.active && (await lastUsed(each.providerKeyId)) === null) found.push(each);
      }
      return found;
    },
  };
}

/** A call of the SDK as an answer like any other. Of its errors only the name, the status and the wait are kept. */
async function answered(name: string, run: (abortSignal: AbortSignal) => Promise<unknown>): Promise<Answer> {
  try {
    const output = await run(AbortSignal.timeout(answerMs));
    return { status: 200, body: JSON.parse(JSON.stringify(output)) as unknown, headers: new Headers() };
  } catch (error) {
    const code = error instanceof Error ? error.name : '';
    if (code === 'CredentialsProviderError') throw new Error(`${name}: Keysteward has no AWS role or credential here`);
    const status = at(error, '/$metadata/httpStatusCode') ?? at(error, '/$response/statusCode');
    if (typeof status !== 'number' || status < 400) throw unreachable(name, code === 'TimeoutError');
    const wait = textAt(error, '/$response/headers/retry-after');
    return {
      status: throttled.includes(code) ? 429 : status,
      body: { code },
      headers: new Headers(wait ? { 'retry-after': wait } : {}),
    };
  }
}
