import net from 'node:net';
import { Transform } from 'node:stream';

/** A wire to a server that can be cut: what hangs on it breaks off, and nothing gets through until it is mended. */
export interface Wire {
  url: string;
  cut(): void;
  mend(): void;
  /** The next answer of the server gets lost: what was asked for is done, and the connection breaks. */
  loseAnswer(): void;
  close(): Promise<void>;
}

export async function wireTo(target: string, defaultPort: number): Promise<Wire> {
  const url = new URL(target);
  const to = { host: url.hostname, port: Number(url.port || defaultPort) };
  const open = new Set<net.Socket>();
  let whole = true;
  let losing = false;
  const server = net.createServer((near) => {
    if (!whole) return void near.destroy();
    const far = net.connect(to);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    near.pipe(far);
    const answers = new Transform({
      transform(answer, _encoding, done) {
        if (!losing) return done(null, answer);
        losing = false;
        near.destroy();
        far.destroy();
      },
    });
    far.pipe(answers).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const mine = new URL(target);
  mine.hostname = '127.0.0.1';
  mine.port = String((server.address() as net.AddressInfo).port);
  const breakOff = () => {
    for (const each of open) each.destroy();
  };
  return {
    url: mine.toString(),
    cut() {
      whole = false;
      breakOff();
    },
    mend() {
      whole = true;
    },
    loseAnswer() {
      losing = true;
    },
    close: () =>
      new Promise((resolve) => {
        breakOff();
        server.close(() => resolve());
      }),
  };
}
