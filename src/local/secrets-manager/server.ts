import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { everything, type Principal } from './access.ts';
import { type Control, controlled } from './control.ts';
import { noDisk, openDisk } from './disk.ts';
import { idOf, lookedUp, openTrail } from './events.ts';
import { type Fault, openFaults } from './faults.ts';
import { perform } from './operations.ts';
import { ApiError, bodyOf, contentType, errorBody, internal, parsedBody, signedScope } from './protocol.ts';
import { isOperation } from './requests.ts';
import { resumeRotations, startDueRotations } from './rotation.ts';
import { touched } from './secrets.ts';
import { openStore } from './store.ts';
import type { Answer, Call, RotationFunction, World } from './world.ts';

export type LocalSecretsManagerOptions = {
  /** A free one when absent. */
  port?: number;
  /** Loopback only; anything else is refused. Default 127.0.0.1. */
  host?: '127.0.0.1' | '::1' | 'localhost';
  /** Where secrets are kept, encrypted. In memory only when absent. */
  dataDir?: string;
  /** Default `us-east-1`. Only what `region` says: a request names its own region in its signature. */
  region?: string;
  /** Twelve digits. */
  accountId?: string;
  /** The time, for everything that expires. Default: the machine's. */
  clock?: () => Date;
  /**
   * Who an access key id stands for: an ARN (which may then do only what a secret's own policy allows), or more. Every
   * other access key id, the one in `credentials` included, is the bot and may do everything.
   */
  principals?: Readonly<Record<string, string | Principal>>;
  /** Faults to begin with. */
  faults?: readonly Fault[];
  /** Rotation functions by ARN; for external secrets by their `Type`. */
  rotationFunctions?: Readonly<Record<string, RotationFunction>>;
};

export type LocalSecretsManager = {
  /** For `endpoint` of the SDK, or AWS_ENDPOINT_URL_SECRETS_MANAGER. */
  url: string;
  port: number;
  region: string;
  accountId: string;
  /** Of the bot, who may do everything. */
  credentials: { accessKeyId: string; secretAccessKey: string };
  control: Control;
  /** Stops listening at once; the data directory is then free. */
  close: () => Promise<void>;
};

const loopback = ['127.0.0.1', '::1', 'localhost'];

/**
 * Starts a stand-in for AWS Secrets Manager: the JSON 1.1 protocol on loopback for the unchanged SDK, with all 23
 * operations, and CloudTrail's LookupEvents. Signatures are not checked.
 *
 * Throws an `Error` for people: in production, on another host than loopback, or when the data directory cannot be used.
 */
export async function startLocalSecretsManager(options: LocalSecretsManagerOptions = {}): Promise<LocalSecretsManager> {
  const { host = '127.0.0.1', region = 'us-east-1', accountId = '123456789012', clock = () => new Date() } = options;
  if (process.env.NODE_ENV === 'production') {
    throw new Error(
      'The local Secrets Manager checks no signature and is for laptops and tests. In production, leave ' +
        'AWS_ENDPOINT_URL_SECRETS_MANAGER unset to use AWS Secrets Manager.',
    );
  }
  if (!loopback.includes(host)) {
    throw new Error(`The local Secrets Manager checks no signature, so it listens on loopback only, not on ${host}.`);
  }
  const disk = options.dataDir === undefined ? noDisk : openDisk(options.dataDir);
  let offsetMs = 0;
  let delayMs = 0;
  const running = new Set<Promise<void>>();
  const functions = new Map(Object.entries(options.rotationFunctions ?? {}));
  const principals = new Map(Object.entries(options.principals ?? {}));
  const faults = openFaults(options.faults);
  let closing = false;

  try {
    const world: World = {
      accountId,
      store: openStore(disk),
      trail: openTrail(accountId),
      functions,
      now: () => clock().getTime() + offsetMs,
      inBackground(work) {
        const done: Promise<void> = new Promise<void>((resolve) => setImmediate(resolve))
          .then(() => (closing ? undefined : work()))
          .catch(() => {})
          .finally(() => running.delete(done));
        running.add(done);
      },
    };
    const settled = async () => {
      while (running.size > 0) await Promise.all(running);
    };
    const control: Control = {
      inject: (...more) => faults.inject(...more),
      clearFaults: () => faults.clear(),
      faultsLeft: () => faults.left(),
      limit: (letsThrough) => faults.limit(letsThrough),
      events: () => world.trail.all(),
      delayEvents(ms) {
        delayMs = ms;
      },
      advance(ms) {
        offsetMs += ms;
      },
      setPrincipal: (accessKeyId, principal) => void principals.set(accessKeyId, principal),
      deletePrincipal(arn) {
        const [name, id] = [JSON.stringify(arn), JSON.stringify(idOf(arn))];
        for (const secret of world.store.allRegions(world.now())) {
          if (!secret.policy?.includes(name)) continue;
          world.store.commit(touched(secret, { policy: secret.policy.replaceAll(name, id) }, world.now()));
        }
      },
      setRotationFunction: (arn, rotate) => void functions.set(arn, rotate),
      async runDueRotations() {
        startDueRotations(world);
        await settled();
      },
      settled,
    };
    const bot: Principal = { arn: `arn:aws:iam::${accountId}:user/keysteward`, policies: [everything] };
    const whoIs = (accessKeyId: string): Principal => {
      const known = principals.get(accessKeyId) ?? bot;
      return typeof known === 'string' ? { arn: known } : known;
    };

    const server = http.createServer((request, response) => {
      answer(request, response, { world, control, faults, whoIs, shownUntil: () => world.now() - delayMs }).catch(() =>
        response.destroy(),
      );
    });
    server.listen(options.port ?? 0, host);
    await Promise.race([
      once(server, 'listening'),
      once(server, 'error').then(([error]) => Promise.reject(error as Error)),
    ]);
    const { port } = server.address() as AddressInfo;
    resumeRotations(world);

    return {
      url: `http://${host === '::1' ? '[::1]' : host}:${port}`,
      port,
      region,
      accountId,
      credentials: { accessKeyId: 'AKIALOCALKEYSTEWARD1', secretAccessKey: randomBytes(30).toString('base64') },
      control,
      async close() {
        if (closing) return;
        closing = true;
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
        disk.close();
      },
    };
  } catch (error) {
    disk.close();
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new Error(
        `Port ${options.port} is taken, so the local Secrets Manager cannot listen there. Choose another port.`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

type Inside = {
  world: World;
  control: Control;
  faults: ReturnType<typeof openFaults>;
  whoIs: (accessKeyId: string) => Principal;
  shownUntil: () => number;
};

function send(response: ServerResponse, status: number, body: string, requestId: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'x-amzn-requestid': requestId,
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

async function answer(request: IncomingMessage, response: ServerResponse, inside: Inside): Promise<void> {
  const requestId = randomUUID();
  try {
    refuseBrowsers(request);
    const text = await bodyOf(request);
    if (request.url?.startsWith('/control/')) {
      const { status, body } = await controlled(request, text, inside.control);
      return send(response, status, JSON.stringify(body), requestId);
    }
    const result = await called(request, text, requestId, inside);
    if (result === 'lost') {
      request.socket.destroy();
      return;
    }
    send(response, 200, JSON.stringify(result), requestId);
  } catch (error) {
    // What is not an ApiError is a defect of the stand-in or a full disk. Its text could hold anything: it is not sent.
    const shown = error instanceof ApiError ? error : internal(`The local Secrets Manager failed: ${codeOf(error)}.`);
    if (!response.headersSent) send(response, shown.status, errorBody(shown), requestId);
  }
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'unknown';
}

/** A web page must not reach this server: not from its own origin, and not by a name that it points at loopback. */
function refuseBrowsers(request: IncomingMessage): void {
  const { host = '', origin, 'sec-fetch-site': site } = request.headers;
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (!loopback.includes(name))
    throw new ApiError('ForbiddenException', `The Host ${name} is not this machine's own.`, 403);
  if (origin !== undefined || (site !== undefined && site !== 'none')) {
    throw new ApiError('ForbiddenException', 'Requests of web pages are refused.', 403);
  }
}

const targetPrefix = 'secretsmanager.';
/** The SDKs differ in how they name it; AWS takes both. */
const lookupTarget = /^(com\.amazonaws\.cloudtrail\.v20131101\.)?CloudTrail_20131101\.LookupEvents$/;

async function called(
  request: IncomingMessage,
  text: string,
  requestId: string,
  { world, faults, whoIs, shownUntil }: Inside,
): Promise<Answer | 'lost'> {
  const target = String(request.headers['x-amz-target'] ?? '');
  if (request.method !== 'POST') throw new ApiError('UnknownOperationException', '');
  const { accessKeyId, region } = signedScope(request.headers.authorization);
  if (lookupTarget.test(target)) {
    const { delayMs, error } = faults.strike('LookupEvents', undefined);
    if (delayMs > 0) await sleep(delayMs);
    if (error) throw error;
    return lookedUp(world.trail, region, parsedBody(text), shownUntil());
  }
  const operation = target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : '';
  if (!isOperation(operation)) throw new ApiError('UnknownOperationException', '');
  const input = parsedBody(text);

  const strike = faults.strike(operation, (input.SecretId ?? input.Name) as string | undefined);
  if (strike.delayMs > 0) await sleep(strike.delayMs);
  const call: Call = {
    ...{ operation, region, requestId, accessKeyId, input, strike },
    now: world.now(),
    principal: whoIs(accessKeyId),
    ip: request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '127.0.0.1',
    userAgent: String(request.headers['user-agent'] ?? ''),
  };
  // Throttled calls reach no log in the real service either.
  if (strike.error) throw strike.error;
  try {
    const output = perform(world, call, operation);
    world.trail.call({ ...call, output }, call.now);
    return strike.loseResponse ? 'lost' : output;
  } catch (error) {
    if (error instanceof ApiError) world.trail.call({ ...call, error }, call.now);
    throw error;
  }
}
