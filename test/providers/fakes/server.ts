/** What the stand-ins of `npm start` are made of serves for the providers of the tests too. */
export {
  type Beside,
  type Dialect,
  type LocalProvider as Fake,
  listening,
  startLocalProvider as startFake,
} from '../../../src/local/providers/server.ts';
export {
  type Asked,
  chance,
  type FakeKey,
  type Kind,
  pageOf,
  type Reply,
  usedAtOf,
  World,
} from '../../../src/local/providers/world.ts';
