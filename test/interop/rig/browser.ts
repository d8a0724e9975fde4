import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

export interface Browser {
  /** A page of a secure context (localhost), which has crypto.subtle. */
  readonly page: Page;
  stop(): Promise<void>;
}

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
  .concat(['--disable-background-networking', '--disable-component-update', '--disable-sync'])
  .concat(['--disable-dev-shm-usage'])
  // A machine without a network has nothing else to gather candidates from.
  .concat(['--allow-loopback-in-peer-connection']);

/** Starts Chromium with an empty profile. It trusts the certificate whose public key has this hash, and no other unknown one. */
export async function startBrowser(trustedPublicKeyHash: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'culvert-chromium-'));
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>relay-only call</title>');
  }).listen(0, '127.0.0.1');
  const cleanUp = (): void => {
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  try {
    await once(server, 'listening');
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: '/usr/bin/chromium',
      headless: true,
      args: [...FLAGS, `--ignore-certificate-errors-spki-list=${trustedPublicKeyHash}`],
      timeout: 20_000,
    });
    const page = await context.newPage();
    const address = server.address();
    await page.goto(`http://localhost:${typeof address === 'object' ? address?.port : 0}/`);
    return {
      page,
      async stop() {
        await context.close();
        cleanUp();
      },
    };
  } catch (error) {
    cleanUp();
    throw error;
  }
}
