import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { chromiumPath } from '../support/chromium.ts';
import { type Child, startChild } from '../support/process.ts';

/** A machine that other things run on too is slow, not broken. */
export const patienceMs = 60_000;
const screenshots = fileURLToPath(new URL('../../screenshots', import.meta.url));

/** The program on a newcomer's machine, and what they do with its page. */
export interface Newcomer {
  folder: string;
  /** Runs the program until it has said all that it says at its start. */
  start(): Promise<Running>;
  browse(options?: { keepPictures?: boolean }): Promise<void>;
  /** The page as this person sees it, at a channel or, without one, where it opens by itself. */
  as(slackId: string, at?: string): Promise<Page>;
  newPage(): Promise<Page>;
  /** Closes the pages of a test; after one that failed they are kept as pictures first. */
  leave(failed: boolean): Promise<void>;
  close(): Promise<void>;
}
export interface Running {
  child: Child;
  slackUrl: string;
  botUrl: string;
  secretsUrl: string;
  /** The SDK as the bot, which may do everything. */
  admin: SecretsManager;
  /** The SDK as somebody with this IAM identity, who may do what a secret's own policy allows. */
  awsAs(arn: string): Promise<SecretsManager>;
}

export function newcomer(policy: object): Newcomer {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-newcomer-'));
  // JSON is YAML.
  fs.writeFileSync(path.join(folder, 'policy.yml'), JSON.stringify(policy));
  const env = { DATA_DIR: path.join(folder, 'data'), PORT: '0', POLICY_FILE: path.join(folder, 'policy.yml') };
  const children: Child[] = [];
  const clients: SecretsManager[] = [];
  let browser: Browser | undefined;
  let running: Running | undefined;

  async function newPage(): Promise<Page> {
    const context = await browser!.newContext({ locale: 'en-US', viewport: { width: 1280, height: 1000 } });
    context.setDefaultTimeout(patienceMs);
    return context.newPage();
  }
  return {
    folder,
    async start() {
      const child = startChild(['all'], env);
      children.push(child);
      const said = (pattern: RegExp) => pattern.exec(child.output())?.[1];
      const until = Date.now() + 2 * patienceMs;
      while (!/Ctrl-C stops/.test(child.output())) {
        if (Date.now() > until || child.process.exitCode !== null)
          throw new Error(`The program did not start:\n${child.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const [slackUrl, botPort, secretsPort] = [
        said(/Open (http\S+)/)!,
        said(/Bot and worker\s+port (\d+)/)!,
        said(/Secrets Manager\s.*port (\d+)/)!,
      ];
      const secretsUrl = `http://127.0.0.1:${secretsPort}`;
      const client = (accessKeyId: string) => {
        const made = new SecretsManager({
          endpoint: secretsUrl,
          region: 'us-east-1',
          credentials: { accessKeyId, secretAccessKey: 'local' },
        });
        clients.push(made);
        return made;
      };
      running = {
        child,
        slackUrl,
        secretsUrl,
        botUrl: `http://127.0.0.1:${botPort}`,
        admin: client('AKIALOCALNEWCOMER'),
        async awsAs(arn) {
          const accessKeyId = `AKIALOCAL${arn.replace(/\W/g, '').slice(-12).toUpperCase()}`;
          await fetch(`${secretsUrl}/control/principals`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ accessKeyId, arn }),
          });
          return client(accessKeyId);
        },
      };
      return running;
    },
    async browse({ keepPictures = false } = {}) {
      if (!keepPictures) fs.rmSync(screenshots, { recursive: true, force: true });
      browser = await chromium.launch({
        executablePath: chromiumPath!,
        args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
      });
    },
    newPage,
    async as(slackId, at) {
      const page = await newPage();
      await page.goto(`${running!.slackUrl}/?as=${slackId}${at ? `&at=${at}` : ''}`);
      await page.getByTestId('person-switcher').waitFor();
      return page;
    },
    async leave(failed) {
      for (const [i, context] of (browser?.contexts() ?? []).entries()) {
        if (failed) for (const page of context.pages()) await shot(page, `failed-${i + 1}`).catch(() => {});
        await context.close();
      }
    },
    async close() {
      await browser?.close();
      for (const each of clients) each.destroy();
      for (const { process: child, ended } of children) {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
        await ended;
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One line at the terminal, beside the running program. */
export async function atTheTerminal(args: string[], dataDir: string): Promise<{ code: unknown; output: string }> {
  const child = startChild(args, { DATA_DIR: dataDir });
  const code = await child.ended;
  return { code, output: child.output().trim() };
}

// ————— What one does on the page —————

export const shot = (page: Page, name: string) => page.screenshot({ path: path.join(screenshots, `${name}.png`) });
export const modal = (page: Page): Locator => page.getByTestId('modal');
export const field = (page: Page, name: string): Locator => modal(page).locator(`[data-action-id="${name}"]`);
/** The newest message with this text. */
export const message = (page: Page, text: string | RegExp): Locator =>
  page.getByTestId('message').filter({ hasText: text }).last();
export const actionIn = (card: Locator, action: string): Locator => card.locator(`[data-action-id="${action}"]`);

/** Types into the composer and sends; completions are left alone. */
export async function send(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
}
/** Presses a button that opens a form. A card may be edited, and with it its button, in the moment of the click. */
export async function press(button: Locator, page: Page): Promise<void> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const pressed = await button.click({ timeout: 10_000 }).catch((error: unknown) => error);
    const opened = await modal(page)
      .waitFor({ timeout: 5_000 })
      .then(() => true)
      .catch(() => false);
    if (opened) return;
    if (Date.now() > until) throw pressed ?? new Error('The button opens nothing');
  }
}
export const submit = (page: Page) => page.getByTestId('modal-submit').click();
/** What the app says after a form was sent; then the modal is closed. */
export async function done(page: Page, said: string): Promise<void> {
  await modal(page).getByText(said).first().waitFor();
  await modal(page).getByRole('button', { name: 'Close' }).last().click();
  await modal(page).waitFor({ state: 'hidden' });
}
/** Says yes in a confirm dialog. */
export const confirm = (page: Page, yes: string) =>
  page.getByTestId('confirm').getByRole('button', { name: yes }).click();

/** Chooses in a select of a modal by what its options say. */
export async function choose(page: Page, name: string, type: string, label: string | RegExp): Promise<void> {
  await field(page, name).fill(type);
  await page.getByRole('option', { name: label }).first().click();
}
/** The app's messages, by the sidebar as anybody would. */
export async function openMessages(page: Page): Promise<void> {
  await page.getByTestId('channel').filter({ hasText: 'Keysteward' }).click();
  await page.getByRole('tab', { name: /Messages/ }).click();
  await page.getByTestId('message').first().waitFor();
}
