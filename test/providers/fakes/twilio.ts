import { type Asked, chance, type Dialect, pageOf } from './server.ts';

const basic = (asked: Asked): [string, string] => {
  const text = Buffer.from((asked.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
  return [text.split(':')[0] ?? '', text.split(':')[1] ?? ''];
};
const failed = (status: number, code: number, message: string) => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});
export const twilioPair = (sid: string, secret: string) => JSON.stringify({ sid, secret });

/** Twilio's keys of one account: a form in, `SK…` and a secret out, pages with a token. */
export const twilioDialect = (): Dialect => ({
  credentialOf: (asked) => basic(asked)[0],
  kindOf({ method, path }) {
    if (path.startsWith('/2010-04-01/')) return 'probe';
    return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
  },
  handle(asked, world) {
    const refused = failed(401, 20003, 'Authenticate');
    const [sid, secret] = basic(asked);
    if (asked.path === '/2010-04-01/Accounts/AC1/Messages.json') {
      return world.accepts(twilioPair(sid, secret)) ? { status: 200, body: { messages: [] } } : refused;
    }
    if (sid !== world.admin || secret !== `secret-of-${world.admin}`) return refused;
    const id = /^\/v1\/Keys\/(.+)$/.exec(asked.path)?.[1];
    if (asked.method === 'DELETE') return world.end(id ?? '') ? { status: 204 } : failed(404, 20404, 'not found');
    if (asked.method === 'POST') {
      if (asked.body.AccountSid !== 'AC1') return failed(400, 20001, 'AccountSid is required');
      const made = { sid: `SK${chance()}`, secret: chance() };
      const key = world.make(String(asked.body.FriendlyName), twilioPair(made.sid, made.secret), { id: made.sid });
      return { status: 201, body: { ...made, friendly_name: key.name, policy: null } };
    }
    if (asked.query.get('AccountSid') !== 'AC1') return failed(400, 20001, 'AccountSid is required');
    const page = pageOf(world.listed(), Number(asked.query.get('PageToken') ?? '0'), world.pageSize);
    const next = `https://elsewhere.example/v1/Keys?AccountSid=AC1&PageSize=${world.pageSize}&PageToken=${page.next}`;
    return {
      status: 200,
      body: {
        keys: page.rows.map((each) => ({ sid: each.id, friendly_name: each.name })),
        meta: { key: 'keys', next_page_url: page.next === null ? null : next },
      },
    };
  },
});
