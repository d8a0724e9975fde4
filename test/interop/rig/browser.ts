import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { Relay } from './relay.ts';

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

/** Starts Chromium with an empty profile, where the clients of the relay are. It trusts the relay's certificate, and no other unknown one. */
export async function startBrowser({ network, certificate }: Relay): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-chromium-'));
  const cleanUp = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: network.peerNamespace === undefined ? CHROMIUM : inside(network.peerNamespace, folder),
      headless: true,
      args: [...FLAGS, `--ignore-certificate-errors-spki-list=${certificate.publicKeyHash}`],
      timeout: 60_000,
    });
    const page = await context.newPage();
    const body = '<!doctype html><title>relay-only call</title>';
    await page.route('http://localhost/', (route) => route.fulfill({ contentType: 'text/html', body }));
    await page.goto('http://localhost/');
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

/** A program in that folder, which is Chromium in that network namespace. */
function inside(namespace: string, folder: string): string {
  const path = join(folder, 'chromium');
  writeFileSync(path, `#!/bin/sh\nexec nsenter --net=${namespace} ${CHROMIUM} "$@"\n`, { mode: 0o700 });
  return path;
}

const CHROMIUM = '/usr/bin/chromium';
