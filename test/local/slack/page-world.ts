import type { App } from '@slack/bolt';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterEach, vi } from 'vitest';
import type { LocalSlackOptions } from '../../../src/local/slack/server.ts';
import { useChromium } from '../../support/chromium.ts';
import { anApp, type WithBolt, withBolt } from './world.ts';

export const keysApp = anApp({
  commands: [{ command: '/keys', description: 'Keys', usageHint: '[help | request | list]', shouldEscape: true }],
});
export const plain = (text: string) => ({ type: 'plain_text' as const, text });
export const mrkdwn = (text: string) => ({ type: 'mrkdwn' as const, text });

/** A browser, an app and their Slack share a machine that may be busy; how long Slack waits is not what these tests are about. */
const patient = { ackMs: 20_000, triggerMs: 60_000 };

/** Pages of a local Slack in Chromium; what is opened is closed after its test. */
export function usePages() {
  vi.setConfig({ testTimeout: 120_000 });
  const browser = useChromium();
  const opened: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });
  return {
    newPage: (options?: BrowserContextOptions): Promise<Page> => browser.newPage(options),
    closing(...some: { close(): Promise<void> }[]) {
      opened.unshift(...some);
    },
    /** A Bolt app and its Slack. */
    async world(listen: (app: App) => void, options: Partial<LocalSlackOptions> = {}): Promise<WithBolt> {
      const running = await withBolt('socket', listen, { app: keysApp, speeds: patient, ...options });
      opened.unshift(running);
      return running;
    },
    /** The page as this person sees it, once their conversation is there. */
    async pageAs(slack: { url: string }, as: string, at = 'C0GENERAL'): Promise<Page> {
      const page = await browser.newPage();
      await page.goto(`${slack.url}/?as=${as}&at=${at}`);
      await page.getByTestId('composer').waitFor();
      return page;
    },
  };
}

export const focused = (page: Page) => page.locator(':focus');
export const dialog = (page: Page) => page.getByRole('dialog');
export async function send(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
}

interface Box {
  scrollWidth: number;
  clientWidth: number;
  scrollHeight: number;
  clientHeight: number;
  scrollTop: number;
}
export const overflow = (node: Box) => node.scrollWidth - node.clientWidth;
export const fromEnd = (node: Box) => node.scrollHeight - node.clientHeight - node.scrollTop;
