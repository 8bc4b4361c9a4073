// The control: Bolt as its documentation has it, one command that is acknowledged, nothing stored.
import { App, HTTPReceiver } from '@slack/bolt';
import { benchUser, signingSecret } from './load.mjs';

const receiver = new HTTPReceiver({ signingSecret, endpoints: ['/slack/events'], logLevel: 'error' });
const app = new App({
  receiver,
  token: 'xoxb-bench',
  botId: 'B0BENCH',
  botUserId: `${benchUser}BOT`,
  tokenVerificationEnabled: false,
  logLevel: 'error',
});
app.command('/keys', async ({ ack }) => {
  await ack();
});
const server = await receiver.start({ port: 0, host: '127.0.0.1' });
console.log(`ready on ${server.address().port}`);
