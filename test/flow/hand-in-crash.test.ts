import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import { sha256 } from '../../src/kernel.ts';
import { waitsNow } from '../../src/rotation/by-hand/model.ts';
import { openHandIn } from '../../src/rotation/by-hand/open-hand-in.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf } from '../support/process.ts';

const database = useDatabase();
let house: House;

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url });
}, 120_000);
afterAll(() => house.stop());
const crew = useCrew(database, () => environmentOf(house));

let number = 0;
const session = 's'.repeat(43);
/** A rotation that waits, and a form that the owner has signed in for. */
async function signedInForm() {
  const { program } = house;
  const owner = (await program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  const key: ApiKey = aKey(owner, { issuer: 'person', recipe: null, purpose: `Handed in ${++number}` });
  await house.bot.createSecret({ Name: key.secretId!, SecretString: 'an-old-value-of-a-key' });
  await given(program.store, { keys: [key] });
  const { id } = await startRotation(program.ports, owner, { keyId: key.id, reason: 'A test', emergency: false });
  const rotation = () => program.store.read((view) => view.rotations.get(id));
  await until(async () => waitsNow(await rotation()), 'the rotation asks for the new key');
  // Who has signed in is tested elsewhere.
  const ports = { ...program.ports, signIn: { ...program.ports.signIn, whyNot: null } };
  const { link } = await openHandIn(ports, owner, id);
  await database.store.pool.query('update hand_in set session_hash = $2, signed_in_at = now() where id = $1', [
    link.id,
    await sha256(session),
  ]);
  const post = async (port: number, value: string) =>
    fetch(`http://127.0.0.1:${port}/hand-in/${link.id}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: `hand-in-${link.id.slice(4)}=${session}` },
      body: new URLSearchParams({ csrf: await sha256(`hand-in/csrf/${session}`), value }),
    });
  const versions = async () =>
    Object.keys((await house.bot.describeSecret({ SecretId: key.secretId! })).VersionIdsToStages!).length;
  const pending = async () => (await house.bot.getSecretValue({ SecretId: key.secretId! })).SecretString;
  return { id, rotation, post, versions, pending };
}
/** A bot that dies at this place. */
async function dieAt(failpoint: string, post: (port: number) => Promise<unknown>): Promise<string> {
  const bot = crew.start(failpoint, 'bot');
  const port = await until(
    () => /"port":(\d+)/.exec(bot.output())?.[1],
    () => bot.output(),
  );
  await expect(post(Number(port))).rejects.toThrow();
  await crew.died(bot, failpoint);
  return bot.output();
}
/** What would come by itself in a minute and a half. */
const skipTime = (id: string) =>
  database.store.pool.query(
    "update work set run_at = now() where status = 'waiting' and payload ->> 'rotationId' = $1",
    [id],
  );

describe('a bot killed with SIGKILL while a value is handed in', { timeout: 120_000 }, () => {
  it('before it is stored: nothing is there, and the same form takes it once more', async () => {
    const { id, rotation, post, versions, pending } = await signedInForm();
    const value = `handed-in-${'x9'.repeat(12)}`;
    const said = await dieAt('rotation.hand-in:before', (port) => post(port, value));
    expect(said).not.toContain(value);
    expect(await versions()).toBe(1);
    await skipTime(id);
    await until(
      async () => ((await rotation()).continuesAt!.getTime() - Date.now() > 300_000 ? 'yes' : ''),
      'it looked',
    );
    expect(waitsNow(await rotation())).toMatchObject({ task: 'hand-in' });
    expect((await post(house.program.port, value)).status).toBe(303);
    await until(async () => (await rotation()).step === 'retire', 'the new value is handed out');
    expect(await pending()).toBe(value);
  });

  it('after it is stored: it is found by its token, and nobody is asked again', async () => {
    const { id, rotation, post, versions, pending } = await signedInForm();
    const value = `handed-in-${'q7'.repeat(12)}`;
    await dieAt('rotation.hand-in:after', (port) => post(port, value));
    expect(await versions()).toBe(2);
    expect((await rotation()).step).toBe('generate');
    await skipTime(id);
    await until(async () => (await rotation()).step === 'retire', 'the new value is handed out');
    expect(await pending()).toBe(value);
    expect(await versions()).toBe(2);
  });
});
