import type { IncomingMessage } from 'node:http';

/** The body as text, or null when it is larger than this. */
export async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string | null> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maxBytes) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Every header as one text, by its name in lower case. */
export function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([header, value]) => [
      header,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
}
