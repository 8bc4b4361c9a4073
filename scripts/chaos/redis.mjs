import { Redis } from 'ioredis';

/** The Redis of the queue, as somebody who can empty it. */
export async function openRedis(stage, url) {
  const client = new Redis(url, { maxRetriesPerRequest: 3 });
  client.on('error', () => {});
  stage.leave(() => client.disconnect());
  await client.flushdb();
  stage.leave(() => client.flushdb().catch(() => {}));
  return { url, flush: async () => void (await client.flushdb()) };
}
