/** A certificate for loopback that signs itself, made by `openssl`; it lives as long as the lab's folder. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  readonly keyPem: string;
  /** Also the authority that clients have to trust. */
  readonly certificatePem: string;
}

const run = promisify(execFile);
const opensslTimeoutMs = 20_000;

export async function makeCertificate(folder: string): Promise<Certificate> {
  const keyFile = path.join(folder, 'server-key.pem');
  const certificateFile = path.join(folder, 'server.pem');
  const kind = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365'.split(' ');
  const names = ['-subj', '/CN=pitcrew lab', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  await run('openssl', ['req', '-x509', ...kind, ...names, '-keyout', keyFile, '-out', certificateFile], {
    timeout: opensslTimeoutMs,
  });
  return { keyPem: await readFile(keyFile, 'utf8'), certificatePem: await readFile(certificateFile, 'utf8') };
}
