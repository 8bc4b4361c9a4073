import { createHmac } from 'node:crypto';
import net from 'node:net';

export const signingSecret = 'bench-signing-secret';
export const benchUser = 'U0BENCH';
let sent = 0;

/** One `/keys help` as Slack sends it, signed, with a trigger of its own so that it is nobody's repetition. */
function slashCommand(responseUrl) {
  const body = new URLSearchParams({
    token: 'unused',
    team_id: 'T1',
    team_domain: 'bench',
    channel_id: 'C0BENCH',
    channel_name: 'general',
    user_id: benchUser,
    user_name: 'bench',
    command: '/keys',
    text: 'help',
    api_app_id: 'A0BENCH',
    is_enterprise_install: 'false',
    response_url: responseUrl,
    trigger_id: `${process.pid}.${Date.now()}.${++sent}`,
  }).toString();
  const stamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', signingSecret).update(`v0:${stamp}:${body}`).digest('hex');
  return (
    'POST /slack/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n' +
    `x-slack-request-timestamp: ${stamp}\r\nx-slack-signature: v0=${signature}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  );
}

/** A connection that stays open and has one request on its way at a time. */
function connection(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let waiting = null;
    let held = '';
    const settle = (answer) => {
      const then = waiting;
      waiting = null;
      held = '';
      then?.(answer);
    };
    socket.once('connect', () =>
      resolve({
        /** The status, or 0 when the connection broke. */
        ask: (text) =>
          new Promise((answered) => {
            if (socket.destroyed) return answered(0);
            waiting = answered;
            socket.write(text);
          }),
        alive: () => !socket.destroyed && !socket.readableEnded,
        close: () => socket.destroy(),
      }),
    );
    socket.on('data', (piece) => {
      held += piece.toString('latin1');
      const end = held.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = held.slice(0, end);
      const length = /^content-length: *(\d+)/im.exec(head);
      const whole = length ? held.length - end - 4 >= Number(length[1]) : held.endsWith('0\r\n\r\n');
      if (whole) settle(Number(head.slice(9, 12)));
    });
    socket.on('error', (error) => (waiting ? settle(0) : reject(error)));
    socket.on('close', () => settle(0));
  });
}

const wrong = (status) => status !== 200;

/** So many connections, each sending its next request as soon as the last is answered. */
export async function closedLoop({ port, connections, ms, responseUrl }) {
  const all = await Promise.all(Array.from({ length: connections }, () => connection(port)));
  const latencies = [];
  let errors = 0;
  const started = performance.now();
  await Promise.all(
    all.map(async (each) => {
      while (performance.now() - started < ms) {
        const text = slashCommand(responseUrl);
        const before = performance.now();
        if (wrong(await each.ask(text))) errors++;
        else latencies.push(performance.now() - before);
      }
      each.close();
    }),
  );
  return { perSecond: latencies.length / ((performance.now() - started) / 1000), latencies, errors };
}

/**
 * So many requests a second whatever the answers do, each counted from the moment it was due: a server that stalls is
 * not spared the requests that would have come meanwhile.
 */
export async function openLoop({ port, perSecond, ms, responseUrl }) {
  const idle = await Promise.all(Array.from({ length: 16 }, () => connection(port)));
  const latencies = [];
  const running = new Set();
  let errors = 0;
  const started = performance.now();
  const one = async (due) => {
    // A server closes connections that were idle for some seconds; that is no error of its.
    while (idle.length > 0 && !idle.at(-1).alive()) idle.pop();
    const each = idle.pop() ?? (await connection(port).catch(() => null));
    const status = each ? await each.ask(slashCommand(responseUrl)) : 0;
    if (wrong(status)) {
      errors++;
      each?.close();
      return;
    }
    latencies.push(performance.now() - due);
    idle.push(each);
  };
  const total = Math.round((ms / 1000) * perSecond);
  for (let asked = 0; asked < total; ) {
    for (; asked < total && started + (asked / perSecond) * 1000 <= performance.now(); asked++) {
      const work = one(started + (asked / perSecond) * 1000);
      running.add(work);
      work.finally(() => running.delete(work));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const patience = new Promise((resolve) => setTimeout(resolve, 10_000).unref());
  await Promise.race([Promise.all(running), patience]);
  for (const each of idle) each.close();
  return { latencies, errors: errors + running.size, asked: total };
}
