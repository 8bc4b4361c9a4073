import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { StoredSecret } from './secrets.ts';

/** Where secrets outlive the process. Every call is done, and on the disk, when it returns. */
export type Disk = {
  load(): StoredSecret[];
  write(secret: StoredSecret): void;
  remove(secret: StoredSecret): void;
  /** Lets another process use the directory. */
  close(): void;
};

/** Keeps nothing. */
export const noDisk: Disk = { load: () => [], write: () => {}, remove: () => {}, close: () => {} };

const magic = Buffer.from('KSSM1\n');
const ivBytes = 12;
const tagBytes = 16;
const suffix = '.sealed';
const posix = process.platform !== 'win32';

/**
 * Opens a data directory: `key` (32 bytes, mode 0600), `lock`, and one file per secret, encrypted with AES-256-GCM and
 * named by a keyed hash, so that neither a value nor a name can be read from it. A file is written beside its place,
 * flushed, and then moved there: a crash leaves the old one or the new one.
 *
 * Throws an `Error` for people when the directory is in use, when its key is missing, or when a file is damaged; the
 * message names the file, and nothing has been changed.
 */
export function openDisk(dataDir: string): Disk {
  const sealedDir = path.join(dataDir, 'secrets');
  // Directories further up may be shared with others; they are left open to them.
  fs.mkdirSync(path.dirname(dataDir), { recursive: true });
  fs.mkdirSync(sealedDir, { recursive: true, mode: 0o700 });
  const unlock = locked(path.join(dataDir, 'lock'));
  try {
    const key = keyOf(dataDir, sealedDir);
    let closed = false;
    const fileOf = ({ region, name }: StoredSecret) =>
      `${createHmac('sha256', key).update(`${region}\0${name}`).digest('hex').slice(0, 40)}${suffix}`;
    return {
      load: () => loaded(sealedDir, key),
      write(secret) {
        if (closed) throw new Error('closed'); // Another process may own the directory by now.
        const file = fileOf(secret);
        replace(path.join(sealedDir, file), sealed(JSON.stringify(secret), key, file));
      },
      remove(secret) {
        if (closed) throw new Error('closed');
        fs.rmSync(path.join(sealedDir, fileOf(secret)), { force: true });
        flushDirectory(sealedDir);
      },
      close() {
        closed = true;
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** The file's name is sealed in, so that one file cannot be put in another's place. */
function sealed(text: string, key: Buffer, file: string): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(file));
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([magic, iv, cipher.getAuthTag(), data]);
}

function opened(bytes: Buffer, key: Buffer, file: string): string {
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new Error('it does not begin as it should');
  const body = bytes.subarray(magic.length);
  const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(file)).setAuthTag(body.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(body.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
}

function loaded(sealedDir: string, key: Buffer): StoredSecret[] {
  const secrets: StoredSecret[] = [];
  for (const file of fs.readdirSync(sealedDir).sort()) {
    const full = path.join(sealedDir, file);
    if (file.endsWith('.tmp')) {
      fs.rmSync(full, { force: true }); // A write that a crash cut short; the file it was to replace is whole.
      continue;
    }
    if (!file.endsWith(suffix)) continue;
    try {
      secrets.push(JSON.parse(opened(fs.readFileSync(full), key, file)) as StoredSecret);
    } catch (error) {
      throw new Error(
        `The local Secrets Manager cannot read ${full}: it is damaged, or was written with another key. ` +
          'Put back a copy of it, or move it away to go on without that one secret. Nothing has been changed.',
        { cause: error },
      );
    }
  }
  return secrets;
}

function keyOf(dataDir: string, sealedDir: string): Buffer {
  const file = path.join(dataDir, 'key');
  if (!fs.existsSync(file)) {
    if (fs.readdirSync(sealedDir).some((name) => name.endsWith(suffix))) {
      throw new Error(
        `The local Secrets Manager cannot find its key ${file}, and without it the secrets in ${sealedDir} cannot be read. ` +
          'Put the key back, or remove the directory to begin empty. Nothing has been changed.',
      );
    }
    replace(file, Buffer.from(`${randomBytes(32).toString('base64')}\n`));
  }
  const key = Buffer.from(fs.readFileSync(file, 'utf8').trim(), 'base64');
  if (key.length === 32) return key;
  throw new Error(`The local Secrets Manager cannot use its key ${file}: it is damaged. Put back a copy of it.`);
}

function replace(file: string, bytes: Buffer): void {
  const draft = `${file}.tmp`;
  const handle = fs.openSync(draft, 'w', 0o600);
  try {
    fs.writeSync(handle, bytes);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  fs.renameSync(draft, file);
  flushDirectory(path.dirname(file));
}

/** Without this a power cut may forget that the file was moved. */
function flushDirectory(dir: string): void {
  if (!posix) return;
  const handle = fs.openSync(dir, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/**
 * Two processes on one directory would each forget what the other wrote. The lock says which process holds it, and when
 * that process began: numbers are used again, above all in containers.
 */
function locked(file: string): () => void {
  const mine = `${process.pid} ${birthOf(process.pid)} ${randomBytes(6).toString('hex')}\n`;
  for (let tries = 0; ; tries++) {
    try {
      fs.writeFileSync(file, mine, { flag: 'wx', mode: 0o600 });
      return () => {
        if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === mine) fs.rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, birth] = readLock(file);
    if (tries > 3 || (pid > 0 && isAlive(pid) && birthOf(pid) === birth)) {
      throw new Error(
        `The local Secrets Manager's directory ${path.dirname(file)} is in use by process ${pid}. ` +
          `Stop that one, or choose another directory. (If no such process runs, remove ${file}.)`,
      );
    }
    fs.rmSync(file, { force: true });
  }
}

function readLock(file: string): [pid: number, birth: string] {
  try {
    const [pid, birth] = fs.readFileSync(file, 'utf8').split(' ');
    return [Number(pid) || 0, birth ?? ''];
  } catch {
    return [0, ''];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began, where the system tells (Linux: ticks since boot, with the boot's id); `-` elsewhere. */
function birthOf(pid: number): string {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    if (fields[0] === 'Z') return 'dead'; // Killed, and nobody has waited for it yet.
    return `${fields[19]}@${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}`;
  } catch {
    return '-';
  }
}
