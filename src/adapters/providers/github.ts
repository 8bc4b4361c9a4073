import type { Secret } from '../../kernel.ts';
import { bearer } from './call.ts';

/** How GitHub wants to be spoken to. https://docs.github.com/en/rest/about-the-rest-api/api-versions */
export const inGithubsWords = {
  accept: 'application/vnd.github+json',
  'x-github-api-version': '2022-11-28',
};
export const byToken = (value: Secret): Record<string, string> => ({ ...inGithubsWords, ...bearer(value) });
