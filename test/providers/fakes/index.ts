import { anthropicDialect } from '../../../src/local/providers/anthropic.ts';
import { openaiDialect } from '../../../src/local/providers/openai.ts';
import { acmeDialect, acmeSettings, slotsDialect, slotsSettings } from './acme.ts';
import { awsError, awsIamDialect, awsPair, awsSecretOf } from './aws-iam.ts';
import { cloudflareDialect } from './cloudflare.ts';
import { datadogDialect } from './datadog.ts';
import { deployKeyDialect, publicHalfOf } from './github.ts';
import { gitlabDialect } from './gitlab.ts';
import { mistralDialect } from './mistral.ts';
import { oktaApp, oktaDialect, oktaRefuses } from './okta.ts';
import { openaiAdminDialect } from './openai-admin.ts';
import { sendgridDialect } from './sendgrid.ts';
import type { Dialect, Reply } from './server.ts';
import { twilioDialect, twilioPair } from './twilio.ts';

export interface Fitting {
  name: string;
  dialect(): Dialect;
  /** The entry of policy.yml. */
  settings(baseUrl: string, credential: string, port: number): Record<string, unknown>;
  /** How its credential is stored, where that is not as it is. */
  stored?(admin: string): string;
  /** What the provider has of a value, where that is not all of it. */
  known?(value: string): string;
  /** Whether a value can be told from the others. */
  identifies: boolean;
  /** Whether its keys bear names. */
  labelled?: false;
  /** A new key ends the one whose place it takes, and bears its name. */
  replaces?: true;
  pages: boolean;
  keyLimit: number | null;
  /** Statuses of the probe that say nothing about the key. */
  unclear: Reply[];
}
const outages = [402, 403, 408, 429, 500, 502, 503].map((status) => ({ status }));
const common = { propagationSeconds: 2 };

export const fittingOf = (name: string): Fitting => fittings.find((each) => each.name === name)!;

/** Every kind of provider beside its fake, for the suite that all of them have to pass. */
export const fittings: Fitting[] = [
  {
    name: 'openai',
    dialect: () => openaiDialect(),
    settings: (baseUrl, credential) => ({ kind: 'openai', baseUrl, credential, ...common, project: 'proj_1' }),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: [
      ...outages,
      { status: 401, body: { error: { message: 'Your IP address is not authorized to make this request.' } } },
      { status: 429, body: { error: { code: 'insufficient_quota' } } },
    ],
  },
  {
    name: 'sendgrid',
    dialect: sendgridDialect,
    settings: (baseUrl, credential) => ({ kind: 'sendgrid', baseUrl, credential, ...common, scopes: ['mail.send'] }),
    identifies: true,
    pages: false,
    keyLimit: 100,
    unclear: outages,
  },
  {
    name: 'gitlab',
    dialect: () => gitlabDialect(),
    settings: (baseUrl, credential) => ({
      kind: 'gitlab',
      baseUrl,
      credential,
      ...common,
      of: 'project',
      id: '42',
      scopes: ['read_api'],
    }),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: outages,
  },
  {
    name: 'gitlab-rotates',
    dialect: () => gitlabDialect(),
    settings: (baseUrl, credential) => ({
      kind: 'gitlab',
      baseUrl,
      credential,
      ...common,
      method: 'rotate',
      of: 'project',
      id: '42',
    }),
    replaces: true,
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: outages,
  },
  {
    name: 'gitlab-personal',
    dialect: () => gitlabDialect(true),
    settings: (baseUrl, credential) => ({
      kind: 'gitlab',
      baseUrl,
      credential,
      ...common,
      method: 'rotate',
      of: 'personal',
    }),
    replaces: true,
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: outages,
  },
  {
    name: 'acme',
    dialect: acmeDialect,
    settings: acmeSettings,
    identifies: false,
    pages: true,
    keyLimit: 8,
    unclear: outages,
  },
  {
    name: 'cloudflare',
    dialect: cloudflareDialect,
    settings: (baseUrl, credential) => ({
      kind: 'cloudflare',
      baseUrl,
      credential,
      ...common,
      account: 'acc1',
      policies: [
        { effect: 'allow', permission_groups: [{ id: 'pg1' }], resources: { 'com.cloudflare.api.account.acc1': '*' } },
      ],
    }),
    identifies: true,
    pages: true,
    keyLimit: 500,
    unclear: outages,
  },
  {
    name: 'anthropic',
    dialect: anthropicDialect,
    settings: (baseUrl, credential) => ({ kind: 'anthropic', baseUrl, credential, ...common }),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: [
      ...outages,
      { status: 401, body: { error: { type: 'authentication_error', message: 'CORS requests are not allowed' } } },
      { status: 400, body: { error: { type: 'invalid_request_error', message: 'You have reached your spend limit' } } },
      { status: 529, body: { error: { type: 'overloaded_error' } } },
    ],
  },
  {
    name: 'datadog',
    dialect: datadogDialect,
    settings: (baseUrl, credential) => ({ kind: 'datadog', baseUrl, credential, ...common }),
    stored: (admin) => JSON.stringify({ apiKey: admin, applicationKey: `app-${admin}` }),
    identifies: false,
    pages: true,
    keyLimit: null,
    // 403 is how Datadog says that it does not know a key.
    unclear: [
      ...outages.filter(({ status }) => status !== 403),
      { status: 401 },
      { status: 200, body: { valid: false } },
    ],
  },
  {
    name: 'mistral',
    dialect: mistralDialect,
    settings: (baseUrl, credential) => ({
      kind: 'mistral',
      baseUrl,
      credential,
      ...common,
      workspace: 'ws1',
      user: 'user1',
    }),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: outages,
  },
  {
    name: 'openai-admin',
    dialect: openaiAdminDialect,
    settings: (baseUrl, credential) => ({ kind: 'openai-admin', baseUrl, credential, ...common }),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: [
      ...outages,
      { status: 401, body: { error: { message: 'Your IP address is not authorized to make this request.' } } },
    ],
  },
  {
    name: 'twilio',
    dialect: twilioDialect,
    settings: (baseUrl, credential) => ({
      kind: 'twilio',
      baseUrl,
      apiUrl: baseUrl,
      credential,
      ...common,
      account: 'AC1',
    }),
    stored: (admin) => twilioPair(admin, `secret-of-${admin}`),
    identifies: true,
    pages: true,
    keyLimit: null,
    unclear: [...outages, { status: 403, body: { code: 20003, message: 'Permission denied' } }],
  },
  {
    name: 'okta',
    dialect: () => oktaDialect(),
    settings: (baseUrl, credential) => ({ kind: 'okta', baseUrl, credential, ...common, app: oktaApp }),
    identifies: true,
    labelled: false,
    pages: false,
    keyLimit: 2,
    unclear: [
      ...outages,
      { status: 401 },
      oktaRefuses("Invalid value for 'client_id' parameter."),
      oktaRefuses('No client credentials found.'),
      { status: 403, body: { error: 'access_denied', error_description: 'outside of the permitted network zones' } },
      { status: 200, body: '<html>Sign in</html>' },
    ],
  },
  {
    name: 'aws',
    dialect: awsIamDialect,
    settings: (baseUrl, credential) => ({
      kind: 'aws-iam',
      baseUrl,
      stsUrl: baseUrl,
      credential,
      ...common,
      user: 'deployer',
    }),
    stored: (admin) => awsPair(admin, awsSecretOf(admin)),
    identifies: true,
    labelled: false,
    pages: true,
    keyLimit: 2,
    unclear: [
      ...outages,
      awsError(400, 'Throttling', 'Rate exceeded'),
      awsError(403, 'AccessDenied', 'not authorized'),
      awsError(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match'),
      awsError(403, 'RequestExpired', 'Request has expired'),
    ],
  },
  {
    name: 'deploy-key',
    dialect: deployKeyDialect,
    settings: (baseUrl, credential, sshPort) => ({
      kind: 'github-deploy-key',
      baseUrl,
      credential,
      ...common,
      repository: 'acme/shop.js',
      sshHost: '127.0.0.1',
      sshPort,
    }),
    known: publicHalfOf,
    identifies: true,
    pages: true,
    keyLimit: null,
    // SSH lets in or denies; whatever else happens ends the connection, and is an outage.
    unclear: [],
  },
];
export const twoSlots: Fitting = {
  name: 'azure',
  dialect: slotsDialect,
  settings: slotsSettings,
  identifies: true,
  pages: false,
  keyLimit: null,
  unclear: outages,
};
