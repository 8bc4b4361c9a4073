import type * as Sdk from '@aws-sdk/client-secrets-manager';
import { Refusal, Secret } from '../kernel.ts';
import type { SecretDescription, Secrets } from '../ports.ts';
import { ourAgent } from '../rotation/deployment/reads-model.ts';

export interface SecretsManagerOptions {
  /** Each of these defaults to the AWS SDK's own variables and files. */
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}

/** The longest that one call may take with all its retries; leases of jobs and fences of rotations are built on it. */
export const callMs = 14_000;
const attempts = 4;
const attemptMs = 4_000;

type Client = { sdk: typeof Sdk; client: Sdk.SecretsManagerClient };

/** The error's name as AWS gives it. Only 12 are classes of the SDK; all have a name. */
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'UnknownError');

/**
 * AWS Secrets Manager. The SDK is loaded at the first call, so that a process which never makes one does not pay for it.
 * What is thrown never holds a value: AWS quotes rejected input in some of its sentences, so only its error's name, our
 * own words and the request id are kept.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/
 */
export function secretsManager(options: SecretsManagerOptions = {}): Secrets & { close(): Promise<void> } {
  let opening: Promise<Client> | undefined;

  async function open(): Promise<Client> {
    // The version is pinned; when Node 20 goes, so does the pin.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    const sdk = await import('@aws-sdk/client-secrets-manager');
    const client = new sdk.SecretsManagerClient({
      ...(options.region ? { region: options.region } : {}),
      ...(options.endpoint ? { endpoint: options.endpoint } : {}),
      ...(options.credentials ? { credentials: options.credentials } : {}),
      customUserAgent: [[ourAgent.name, ourAgent.version]],
      maxAttempts: attempts,
      retryMode: 'standard',
      requestHandler: { connectionTimeout: 2_000, requestTimeout: attemptMs, throwOnRequestTimeout: true },
    });
    return { sdk, client };
  }

  /** One call with its retries. `expected` turns the errors that are answers into answers. */
  async function call<T>(
    operation: string,
    secretId: string | null,
    run: (open: Client, abortSignal: AbortSignal) => Promise<T>,
    expected: Record<string, () => T> = {},
  ): Promise<T> {
    try {
      opening ??= open();
      return await run(await opening, AbortSignal.timeout(callMs));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const name = nameOf(error);
      const answer = Object.hasOwn(expected, name) ? expected[name] : undefined;
      if (answer) return answer();
      throw trouble(operation, secretId, name, error);
    }
  }

  return {
    describe: (secretId) =>
      call<SecretDescription | null>(
        'DescribeSecret',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          const found = await client.send(new sdk.DescribeSecretCommand({ SecretId: secretId }), { abortSignal });
          return {
            arn: found.ARN ?? '',
            versions: Object.entries(found.VersionIdsToStages ?? {}).map(([id, stages]) => ({
              id,
              stages: stages ?? [],
            })),
            rotationEnabled: found.RotationEnabled ?? false,
            deletedAt: found.DeletedDate ?? null,
          };
        },
        { ResourceNotFoundException: () => null },
      ),

    create: (secretId, token, value, description) =>
      call(
        'CreateSecret',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          const made = await client.send(
            new sdk.CreateSecretCommand({
              Name: secretId,
              ClientRequestToken: token,
              SecretString: value.reveal(),
              Description: description,
            }),
            { abortSignal },
          );
          return { arn: made.ARN ?? '', versionId: made.VersionId ?? token };
        },
        {
          ResourceExistsException: () => {
            throw new Refusal('conflict', `Secrets Manager already has a secret called ${secretId}.`, 'secretId');
          },
        },
      ),

    stage: (secretId, token, value) =>
      call<void>(
        'PutSecretValue',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          await client.send(
            new sdk.PutSecretValueCommand({
              SecretId: secretId,
              ClientRequestToken: token,
              SecretString: value.reveal(),
              VersionStages: ['AWSPENDING'],
            }),
            { abortSignal },
          );
        },
        // An earlier try stored this version with a value of its own. That value is the one that counts.
        { ResourceExistsException: () => undefined },
      ),

    read: (secretId, version) =>
      call(
        'GetSecretValue',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          const found = await client.send(
            new sdk.GetSecretValueCommand({
              SecretId: secretId,
              ...('versionId' in version ? { VersionId: version.versionId } : { VersionStage: version.stage }),
            }),
            { abortSignal },
          );
          if (found.SecretString === undefined || !found.VersionId) return null;
          return {
            versionId: found.VersionId,
            value: new Secret(found.SecretString),
            lastFour: lastFour(found.SecretString),
          };
        },
        { ResourceNotFoundException: () => null },
      ),

    move: (secretId, stage, from, to) =>
      call<boolean>(
        'UpdateSecretVersionStage',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          await client.send(
            new sdk.UpdateSecretVersionStageCommand({
              SecretId: secretId,
              VersionStage: stage,
              ...(from ? { RemoveFromVersionId: from } : {}),
              ...(to ? { MoveToVersionId: to } : {}),
            }),
            { abortSignal },
          );
          return true;
        },
        { InvalidParameterException: () => false },
      ),

    rotate: (secretId, token) =>
      call<'started' | 'busy' | { refused: string }>(
        'RotateSecret',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          const command = new sdk.RotateSecretCommand({ SecretId: secretId, ClientRequestToken: token });
          await client.send(command, { abortSignal });
          return 'started';
        },
        {
          // AWS says this also where no rotation is configured; then there is none to be busy with.
          InvalidRequestException: () => 'busy',
          AccessDeniedException: () => ({
            refused:
              "AWS does not let this secret be rotated: Keysteward's role lacks secretsmanager:RotateSecret, or Secrets Manager may not call the rotation function.",
          }),
          ResourceNotFoundException: () => ({ refused: 'The secret does not exist in Secrets Manager.' }),
        },
      ),

    random: (recipe) =>
      call('GetRandomPassword', null, async ({ sdk, client }, abortSignal) => {
        const made = await client.send(
          new sdk.GetRandomPasswordCommand({
            PasswordLength: recipe.length,
            ExcludeCharacters: recipe.exclude,
            ExcludePunctuation: !recipe.punctuation,
            IncludeSpace: false,
            RequireEachIncludedType: true,
          }),
          { abortSignal },
        );
        if (!made.RandomPassword) throw new Error('GetRandomPassword answered without a password');
        return new Secret(made.RandomPassword);
      }),

    policy: (secretId) =>
      call('GetResourcePolicy', secretId, async ({ sdk, client }, abortSignal) => {
        const found = await client.send(new sdk.GetResourcePolicyCommand({ SecretId: secretId }), { abortSignal });
        return found.ResourcePolicy ?? null;
      }),

    setPolicy: (secretId, policy) =>
      call<void>(
        policy === null ? 'DeleteResourcePolicy' : 'PutResourcePolicy',
        secretId,
        async ({ sdk, client }, abortSignal) => {
          if (policy === null) {
            await client.send(new sdk.DeleteResourcePolicyCommand({ SecretId: secretId }), { abortSignal });
            return;
          }
          await client.send(
            new sdk.PutResourcePolicyCommand({ SecretId: secretId, ResourcePolicy: policy, BlockPublicPolicy: true }),
            { abortSignal },
          );
        },
        {
          // AWS says this also of a principal that does not exist (yet).
          MalformedPolicyDocumentException: () => {
            throw new Refusal(
              'invalid',
              'AWS does not accept this access policy: a person or role in it does not exist, or it has a mistake.',
            );
          },
          PublicPolicyException: () => {
            throw new Refusal(
              'invalid',
              'AWS refused this access policy, because it would open the secret to the public.',
            );
          },
        },
      ),

    ping: () =>
      call<void>('GetRandomPassword', null, async ({ sdk, client }, abortSignal) => {
        await client.send(new sdk.GetRandomPasswordCommand({ PasswordLength: 8 }), { abortSignal });
      }),

    async close() {
      if (opening) (await opening).client.destroy();
    },
  };
}

/** The end of a value, for people to tell values apart. Nothing of a short value or a document, where it would tell too much or nothing. */
function lastFour(value: string): string | null {
  return value.length >= 16 && /[\w\-.+/=~]{4}$/.test(value) ? value.slice(-4) : null;
}

/** What went wrong, in words that hold nothing of what was sent. */
function trouble(operation: string, secretId: string | null, name: string, error: unknown): Error {
  const about = secretId ? ` for ${secretId}` : '';
  if (name === 'ResourceNotFoundException') {
    return new Refusal('not_found', `Secrets Manager has no secret called ${secretId}.`);
  }
  const why: Record<string, string> = {
    AccessDeniedException: 'our role may not do this',
    UnrecognizedClientException: 'our credentials are not known',
    ExpiredTokenException: 'our credentials have expired',
    CredentialsProviderError: 'there are no credentials',
    DecryptionFailure: 'the secret could not be decrypted with its KMS key',
    EncryptionFailure: 'the secret could not be encrypted with its KMS key',
    LimitExceededException: 'a quota of Secrets Manager is used up',
    InvalidRequestException: 'the secret is not in a state that allows this, e.g. scheduled for deletion',
    ThrottlingException: 'too many calls at the moment',
    InternalServiceError: 'the service has trouble',
    AbortError: `no answer within ${callMs / 1000} seconds`,
    TimeoutError: 'no answer in time',
  };
  const metadata = (error as { $metadata?: { requestId?: string } } | null)?.$metadata;
  const code = (error as { code?: unknown } | null)?.code;
  const said = new Error(
    `Secrets Manager, ${operation}${about}: ${name}` +
      (why[name] ? `, ${why[name]}` : typeof code === 'string' ? `, ${code}` : '') +
      (metadata?.requestId ? ` (request ${metadata.requestId})` : ''),
  );
  said.name = name;
  return said;
}
