import type { IncomingMessage } from 'node:http';

/**
 * An answer of the service that is not a success. `name` is what callers branch on (`err.name` in the SDK); the text is
 * what the real service says, where it has been recorded. Never put a secret value in it.
 */
export class ApiError extends Error {
  readonly status: number;
  constructor(name: string, message: string, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
  }
}

export const notFound = () =>
  new ApiError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
export const invalidParameter = (message: string) => new ApiError('InvalidParameterException', message);
export const invalidRequest = (message: string) => new ApiError('InvalidRequestException', message);
export const limitExceeded = (message: string) => new ApiError('LimitExceededException', message);
export const validation = (message: string) => new ApiError('ValidationException', message);
export const accessDenied = (message: string) => new ApiError('AccessDeniedException', message);
export const internal = (message: string) => new ApiError('InternalServiceError', message, 500);
export const throttled = () => new ApiError('ThrottlingException', 'Rate exceeded');

/** The twelve errors in the service's model: their body carries `Message`. All others carry `message` (recorded). */
const modelled = new Set([
  'DecryptionFailure',
  'EncryptionFailure',
  'InternalServiceError',
  'InvalidNextTokenException',
  'InvalidParameterException',
  'InvalidRequestException',
  'LimitExceededException',
  'MalformedPolicyDocumentException',
  'PreconditionNotMetException',
  'PublicPolicyException',
  'ResourceExistsException',
  'ResourceNotFoundException',
]);

/** The JSON 1.1 body of an error. */
export function errorBody(error: ApiError): string {
  return JSON.stringify({ __type: error.name, [modelled.has(error.name) ? 'Message' : 'message']: error.message });
}

/** Milliseconds to what JSON 1.1 calls a timestamp: seconds, with a fraction. */
export function seconds(ms: number): number;
export function seconds(ms: number | undefined): number | undefined;
export function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

export const contentType = 'application/x-amz-json-1.1';

/** Above the largest legal request: 65,536 characters, each escaped to six bytes, and the rest. */
const maxBodyBytes = 1024 * 1024;

/** By its events, which cost a fraction of `for await`: this reads every call. */
export function bodyOf(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= maxBodyBytes) return;
      reject(new ApiError('RequestEntityTooLargeException', 'The request is too large.', 413));
      request.destroy();
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.on('error', reject);
  });
}

/** A JSON object, or SerializationException. The text itself is never quoted: it may hold a secret value. */
export function parsedBody(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text === '' ? '{}' : text);
  } catch {
    throw new ApiError('SerializationException', 'The request body is not valid JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ApiError('SerializationException', 'The request body is not a JSON object.');
  }
  return body as Record<string, unknown>;
}

/** Who signed, and for which region and service. The signature itself is not checked: this is a stand-in on loopback. */
export function signedScope(authorization: string | undefined): { accessKeyId: string; region: string } {
  const found = /\bCredential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/[^/,\s]+\/aws4_request/.exec(authorization ?? '');
  if (!found) throw new ApiError('MissingAuthenticationTokenException', 'Missing Authentication Token');
  return { accessKeyId: found[1]!, region: found[2]! };
}
