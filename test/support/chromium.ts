import fs from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';

const usual = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/opt/homebrew/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
/** Where a Chromium is: `CHROMIUM_PATH`, or a usual place; undefined where there is none, and then tests in it are skipped by name. */
export const chromiumPath: string | undefined = process.env.CHROMIUM_PATH ?? usual.find((each) => fs.existsSync(each));
if (process.env.REQUIRE_ALL_TESTS && !chromiumPath)
  throw new Error('No Chromium was found: set CHROMIUM_PATH, or unset REQUIRE_ALL_TESTS');

/** A Chromium for this test file; every page it gives is closed after its test. */
export function useChromium(): { newPage(options?: BrowserContextOptions): Promise<Page> } {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (!chromiumPath) return;
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    });
  });
  afterEach(async () => {
    await Promise.all((browser?.contexts() ?? []).map((each) => each.close()));
  });
  afterAll(() => browser?.close());
  return {
    async newPage(options) {
      const context = await browser!.newContext({
        locale: 'en-US',
        viewport: { width: 1200, height: 800 },
        ...options,
      });
      context.setDefaultTimeout(20_000);
      return context.newPage();
    },
  };
}
