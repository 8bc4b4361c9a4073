import type { IncomingMessage } from 'node:http';
import { everything, type Principal } from './access.ts';
import type { TrailEvent } from './events.ts';
import { type Fault, readFault } from './faults.ts';
import type { RotationFunction } from './world.ts';

/** What a test or the command line may do besides calling the service. */
export type Control = {
  inject(...faults: Fault[]): void;
  clearFaults(): void;
  faultsLeft(): Fault[];
  /**
   * Asks before each operation whether it is let through; one that is not gets ThrottlingException and uses up no fault.
   * Stays until another limit is given, and `clearFaults` leaves it.
   */
  limit(letsThrough: (operation: string) => boolean): void;
  /** The newest events of this run, oldest first. */
  events(): TrailEvent[];
  /** From now on CloudTrail shows an event only so long after it. */
  delayEvents(ms: number): void;
  /** Moves the clock on. */
  advance(ms: number): void;
  /** Says who an access key id stands for, from now on. */
  setPrincipal(accessKeyId: string, principal: string | Principal): void;
  /** What IAM does when a user or role is deleted: its ARN in policies turns into its unique id, `AIDA…` or `AROA…`. */
  deletePrincipal(arn: string): void;
  /** Adds or replaces a rotation function. */
  setRotationFunction(arn: string, perform: RotationFunction): void;
  /** Starts the rotations that are due and those that failed, and waits until none is running. */
  runDueRotations(): Promise<void>;
  /** Waits until no rotation is running. */
  settled(): Promise<void>;
};

/**
 * The control over HTTP, for tests in other processes and the command line. Host and Origin have been checked already; a
 * JSON content type is asked for because web pages cannot send one without being asked first.
 *
 * - `GET    /control/health`
 * - `GET    /control/faults`, `POST /control/faults {"faults":[…]}`, `DELETE /control/faults`
 * - `GET    /control/events`
 * - `POST   /control/events {"delayMs":900000}`: from now on they show so much later
 * - `POST   /control/clock {"advanceMs":3600000}`
 * - `POST   /control/principals {"accessKeyId":"…","arn":"…"}`; with `"mayDoEverything":true` as its own policies allow it
 * - `POST   /control/rotations`: runs the rotations that are due
 */
export async function controlled(
  request: IncomingMessage,
  text: string,
  control: Control,
): Promise<{ status: number; body: unknown }> {
  const route = `${request.method} ${request.url}`;
  if (request.method === 'POST' && !request.headers['content-type']?.startsWith('application/json')) {
    return { status: 415, body: { error: 'The content type must be application/json.' } };
  }
  try {
    const body = JSON.parse(text || '{}') as Record<string, unknown>;
    switch (route) {
      case 'GET /control/health':
        return { status: 200, body: { ok: true } };
      case 'GET /control/faults':
        return { status: 200, body: { faults: control.faultsLeft() } };
      case 'POST /control/faults': {
        const faults = Array.isArray(body.faults) ? body.faults : [body];
        control.inject(...faults.map(readFault));
        return { status: 200, body: { faults: control.faultsLeft() } };
      }
      case 'DELETE /control/faults':
        control.clearFaults();
        return { status: 200, body: { faults: [] } };
      case 'GET /control/events':
        return { status: 200, body: { events: control.events() } };
      case 'POST /control/events':
        if (typeof body.delayMs !== 'number') throw new Error('delayMs is a number of milliseconds.');
        control.delayEvents(body.delayMs);
        return { status: 200, body: {} };
      case 'POST /control/clock':
        if (typeof body.advanceMs !== 'number') throw new Error('advanceMs is a number of milliseconds.');
        control.advance(body.advanceMs);
        return { status: 200, body: {} };
      case 'POST /control/principals':
        if (typeof body.accessKeyId !== 'string' || typeof body.arn !== 'string') {
          throw new Error('accessKeyId and arn are text.');
        }
        control.setPrincipal(
          body.accessKeyId,
          body.mayDoEverything === true ? { arn: body.arn, policies: [everything] } : body.arn,
        );
        return { status: 200, body: {} };
      case 'POST /control/rotations':
        await control.runDueRotations();
        return { status: 200, body: {} };
      default:
        return { status: 404, body: { error: 'There is no such control.' } };
    }
  } catch (error) {
    return { status: 400, body: { error: error instanceof Error ? error.message : 'Not understood.' } };
  }
}
