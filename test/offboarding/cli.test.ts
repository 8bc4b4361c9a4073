import { beforeAll, describe, expect, it } from 'vitest';
import { standardWebhooks } from '../../src/adapters/webhooks/standard.ts';
import { offboardingInCli } from '../../src/offboarding/cli.ts';
import { offboardingOverHttp } from '../../src/offboarding/http.ts';
import { aPerson, given } from '../support/company.ts';
import { useWeb } from '../support/web.ts';
import { olderSecret, secret, useOffice } from './office.ts';

const office = useOffice();
const web = useWeb();
beforeAll(() => offboardingOverHttp(web.door, office.ports, standardWebhooks([secret])));

async function send(args: string[], by = secret, url: string | null = web.home) {
  const lines: string[] = [];
  const runs = new Map<string, (args: string[], out: (line: string) => void) => Promise<number>>();
  const running = () => ({ url, webhooks: standardWebhooks([by]) });
  offboardingInCli({ command: (path, _spec, run) => void runs.set(path, run) }, running);
  const code = await runs.get('hr send')!(args, (line) => lines.push(line));
  return { code, said: lines.join('\n') };
}

describe('keysteward hr send', () => {
  it('makes a running program offboard somebody, through its own HTTP server', async () => {
    const person = aPerson({ hrId: 'CLI-1' });
    await given(office.ports.store, { people: [person] });
    expect(await send(['--hr-id', 'CLI-1'])).toMatchObject({ code: 0, said: expect.stringContaining('202') });
    expect((await office.ports.store.read((view) => view.people.get(person.id))).status).toBe('left');
  });

  it('ends with 1 and shows the answer when it is not believed or nobody is found, with 2 when it is called wrongly', async () => {
    expect(await send(['--hr-id', 'CLI-1'], olderSecret)).toMatchObject({
      code: 1,
      said: expect.stringContaining('401'),
    });
    expect(await send(['--hr-id', 'CLI-NOBODY'])).toMatchObject({ code: 1, said: expect.stringContaining('404') });
    expect(await send(['--hr-id', 'CLI-1', '--effective-at', 'tomorrow'])).toMatchObject({
      code: 1,
      said: expect.stringContaining('400'),
    });
    expect(await send(['--hr-id', 'CLI-1', '--url', 'nonsense'])).toMatchObject({
      code: 2,
      said: expect.stringContaining('is no address'),
    });
    const nobody = await send(['--hr-id', 'CLI-1', '--url', 'http://127.0.0.1:9']);
    expect(nobody).toMatchObject({
      code: 1,
      said: expect.stringMatching(/not reached at http:\/\/127.0.0.1:9 /),
    });
    expect(await send([])).toMatchObject({ code: 2, said: expect.stringContaining('hr send --hr-id') });
  });

  it('sends to the address of the configuration, below its path, unless another is said; without either it says so', async () => {
    expect(await send(['--hr-id', 'CLI-NOBODY'], secret, `${web.home}/`)).toMatchObject({
      code: 1,
      said: expect.stringContaining('Nobody here'),
    });
    const elsewhere = `${web.home}/not/here`;
    expect(await send(['--hr-id', 'CLI-NOBODY'], secret, elsewhere)).toMatchObject({
      said: expect.stringMatching(/^404(?!.*Nobody here)/),
    });
    expect(await send(['--hr-id', 'CLI-NOBODY', '--url', web.home], secret, elsewhere)).toMatchObject({
      said: expect.stringContaining('Nobody here'),
    });
    expect(await send(['--hr-id', 'CLI-NOBODY'], secret, null)).toMatchObject({
      code: 2,
      said: expect.stringContaining('--url'),
    });
  });

  it('a body of more than a megabyte is not read', async () => {
    const answer = await fetch(`${web.home}/webhooks/hr`, { method: 'POST', body: 'x'.repeat(1_100_000) });
    expect(answer.status).toBe(413);
  });
});
