/** What the scripts use of the tests' support; they bundle it, because Node itself does not run TypeScript. */
export { newAwsPair } from '../providers/fakes/aws-iam.ts';
export { fittings, twoSlots } from '../providers/fakes/index.ts';
export { chance, type Fake, startFake } from '../providers/fakes/server.ts';
export { aKey, aPerson, given } from './company.ts';
export { whatIsWrongInTheLog } from './log.ts';
export { wireTo } from './proxy.ts';
