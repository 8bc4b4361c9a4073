import { acmeDialect, acmeSettings, slotsDialect, slotsSettings } from './acme.ts';
import { gitlabDialect } from './gitlab.ts';
import { openaiDialect } from './openai.ts';
import { sendgridDialect } from './sendgrid.ts';
import type { Dialect } from './server.ts';

export interface Fitting {
  name: string;
  dialect(): Dialect;
  /** The entry of policy.yml. */
  settings(baseUrl: string, credential: string): Record<string, unknown>;
  /** Whether a value can be told from the others. */
  identifies: boolean;
  pages: boolean;
  keyLimit: number | null;
  /** Statuses of the probe that say nothing about the key. */
  unclear: { status: number; body?: unknown }[];
}
const outages = [402, 403, 408, 429, 500, 502, 503].map((status) => ({ status }));
const common = { propagationSeconds: 2 };

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
    dialect: gitlabDialect,
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
    name: 'acme',
    dialect: acmeDialect,
    settings: acmeSettings,
    identifies: false,
    pages: true,
    keyLimit: 8,
    unclear: outages,
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
