import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { typed } from '../../../src/blocks.ts';
import { chromiumPath } from '../../support/chromium.ts';
import { mrkdwn, overflow, plain, usePages } from './page-world.ts';
import { aSlack, seed } from './world.ts';

const { closing, pageAs } = usePages();

const nasty = [
  '<script>globalThis.hacked = 1</script>',
  '<img src=x onerror="globalThis.hacked = 1">',
  '"><svg onload="globalThis.hacked = 1">',
  'javascript:globalThis.hacked=1',
  '<javascript:globalThis.hacked=1|click me>',
  '<!channel> <!here> <@U0OLIVIA> <https://evil.example|your bank>',
  '*bold* _italic_ ~gone~ `code` ```block``` > quote',
  '\u202Eright to left\u202C \u0000 \uD800',
  'word'.repeat(700),
];

describe.skipIf(!chromiumPath)('texts in the page of the local Slack (in Chromium)', () => {
  test('shows what people typed as text, whatever it is, and never wider than its place', async () => {
    const { slack, client } = await aSlack({
      workspace: {
        ...seed,
        users: [...seed.users, { id: 'U0EVIL', name: 'evil', realName: '<b>Eve</b>', title: '<script>1</script>' }],
        channels: seed.channels.map((each) => ({ ...each, topic: '<i>topic</i>' })),
      },
    });
    closing(slack);
    for (const text of nasty) await slack.control.act({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text });
    for (const text of nasty.slice(0, 7)) {
      await client.chat.postMessage({
        channel: 'C0GENERAL',
        text: typed(text),
        blocks: [
          { type: 'header', text: plain(text.slice(0, 150)) },
          { type: 'section', text: mrkdwn(typed(text)), fields: [mrkdwn(typed(text)), plain(text)] },
          { type: 'context', elements: [mrkdwn(typed(text)), plain(text)] },
          {
            type: 'actions',
            elements: [
              {
                type: 'button',
                action_id: 'a',
                text: plain(text.slice(0, 75)),
                value: text,
                confirm: {
                  title: plain(text.slice(0, 100)),
                  text: plain(text),
                  confirm: plain('Yes'),
                  deny: plain('No'),
                },
              },
              {
                type: 'static_select',
                action_id: 'b',
                options: [{ value: '1', text: plain(text.slice(0, 75)), description: plain(text.slice(0, 75)) }],
              },
              { type: 'button', action_id: 'c', text: plain('Go'), url: 'javascript:globalThis.hacked=1' },
            ],
          },
          { type: 'markdown', text: `${text}\n\n[click](javascript:globalThis.hacked=1)\n\n# ${text}` },
        ],
      });
    }
    const page = await pageAs(slack, 'U0OLIVIA');
    const outside: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(slack.url)) outside.push(request.url());
    });
    const messages = page.getByTestId('messages');
    await expect.poll(() => messages.getByTestId('message').count()).toBe(nasty.length + 7);
    // As text, as people see it: nothing lost of what is visible, nothing understood as markup.
    const said = await messages.innerText();
    for (const text of nasty.slice(0, 4)) expect(said).toContain(text);
    expect(said).toContain('word'.repeat(700));
    await page.getByRole('combobox', { name: '' }).first().waitFor();
    await page.locator('[data-action-id=b]').first().click();
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('Escape');
    await page.locator('[data-action-id=a]').first().click();
    await page.getByTestId('confirm').waitFor();
    await page.keyboard.press('Escape');
    await page.getByTestId('person-switcher').click();
    await page.getByRole('menuitem', { name: '<b>Eve</b>' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
    expect(await page.locator('#app script, #app [onerror], #app [onload], #app a[href^="javascript" i]').count()).toBe(
      0,
    );
    expect(await page.locator('.scroller').first().evaluate(overflow)).toBe(0);
    for (const message of await messages.getByTestId('message').all()) expect(await message.evaluate(overflow)).toBe(0);
    expect(outside).toEqual([]);
  });

  test('understands mrkdwn as Slack does', async () => {
    const { slack } = await aSlack();
    closing(slack);
    const page = await pageAs(slack, 'U0DANA');
    const shown = (text: string): Promise<string> =>
      page.evaluate(
        `import('/page/mrkdwn.js').then(({ mrkdwn }) => {
          const box = document.createElement('div');
          box.append(...mrkdwn(${JSON.stringify(text)}));
          for (const each of box.querySelectorAll('*')) for (const { name } of [...each.attributes]) if (name !== 'href') each.removeAttribute(name);
          return box.innerHTML;
        })`,
      );
    const cases: [string, string][] = [
      ['*bold* _italic_ ~strike~ `code`', '<strong>bold</strong> <em>italic</em> <s>strike</s> <code>code</code>'],
      ['*bold _both_*', '<strong>bold <em>both</em></strong>'],
      ['2*3*4 snake_case_name ~/bin', '2*3*4 snake_case_name ~/bin'],
      ['* no * _ no _', '* no * _ no _'],
      ['*not\nover lines*', '*not<br>over lines*'],
      ['`*literal*`', '<code>*literal*</code>'],
      ['```a\n*b*```after', '<pre>a\n*b*</pre>after'],
      ['&gt; quoted\n&gt; twice\nnot', '<blockquote>quoted<br>twice</blockquote>not'],
      ['>>> all\nof it', '<blockquote>all<br>of it</blockquote>'],
      ['&amp;lt; &lt;b&gt;', '&amp;lt; &lt;b&gt;'],
      ['<https://example.com/?a=1&amp;b=2|a link>', '<a href="https://example.com/?a=1&amp;b=2">a link</a>'],
      ['see https://example.com/a.', 'see <a href="https://example.com/a">https://example.com/a</a>.'],
      ['<javascript:alert(1)|x>', '&lt;javascript:alert(1)|x&gt;'],
      [
        '<@U0OLIVIA> <@U0OLIVIA|olivia> <@U0NOBODY>',
        '<button>@Olivia Owner</button> <button>@Olivia Owner</button> <span>@U0NOBODY</span>',
      ],
      ['<#C0GENERAL> <#C0SECRET|security>', '<button>#general</button> <span>#security</span>'],
      ['<!channel> <!here>', '<span>@channel</span> <span>@here</span>'],
      ['<!date^1^{date_num}|then>', '<time>1970-01-01</time>'],
      ['<!date^bad^{date_num}|then>', 'then'],
      [':no-such-emoji: 12:30:45', ':no-such-emoji: 12:30:45'],
      ['a < b and c > d', 'a &lt; b and c &gt; d'],
      ['\u200b*typed\u200b*', '\u200b*typed\u200b*'],
    ];
    for (const [text, html] of cases) expect.soft(await shown(text), text).toBe(html);
  });

  test('shows nothing that went through typed() as formatting', async () => {
    const { slack } = await aSlack();
    closing(slack);
    const page = await pageAs(slack, 'U0DANA');
    const letters = fc.constantFrom(...'*_~`<>&|!@#- \nab1•.'.split(''));
    const samples = fc.sample(fc.string({ unit: letters, maxLength: 30 }), { numRuns: 1_000, seed: 20_261_125 });
    const wrong = await page.evaluate(
      `import('/page/mrkdwn.js').then(({ mrkdwn }) => ${JSON.stringify(samples.map((each) => [each.trim(), typed(each)]))}.filter(([before, text]) => {
        const box = document.createElement('div');
        box.append(...mrkdwn(text));
        for (const br of box.querySelectorAll('br')) br.replaceWith('\\n');
        return box.childElementCount > 0 || box.textContent.replaceAll('\\u200b', '') !== before;
      }))`,
    );
    expect(wrong).toEqual([]);
  });

  test('draws every emoji that the product says, so that none is missing where no font has it', async () => {
    const { slack } = await aSlack();
    closing(slack);
    const names = new Set<string>();
    for (const file of fs.readdirSync('src', { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.startsWith('local')) continue;
      const code = fs.readFileSync(path.join('src', file), 'utf8');
      for (const [, text = ''] of code.matchAll(/`((?:[^`\\]|\\.)*)`/g))
        for (const [, name = ''] of text.matchAll(/(?<![\w:}]):([a-z][a-z0-9_]+):(?![\w:])/g)) names.add(name);
    }
    expect(names.size).toBeGreaterThan(10);
    const page = await pageAs(slack, 'U0DANA');
    const undrawn = await page.evaluate(
      `import('/page/emoji.js').then(({ emoji }) => ${JSON.stringify([...names])}.filter((each) => !emoji(each)?.querySelector('svg')))`,
    );
    expect(undrawn).toEqual([]);
  });
});
