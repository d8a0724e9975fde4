import { createHash } from 'node:crypto';
import { bench, do_not_optimize, group, run } from 'mitata';
import { decodeMessage, encodeMessage, verifyIntegrity } from '../src/wire/stun/codec.ts';
import { METHOD_ALLOCATE, METHOD_BINDING, type StunMessage } from '../src/wire/stun/message.ts';
import { decodeChannelData, encodeChannelData } from '../src/wire/turn/channel-data.ts';
import { explain } from './lib/plan.ts';

/** `npm run bench -- wire`: nanoseconds per message of the codecs. Arguments: a part of the names that are wanted. */
export async function benchWire(args: string[]): Promise<number> {
  if (args[0]?.startsWith('-')) return explain(args, `no option "${args[0]}"`, 'usage: npm run bench -- wire [NAME]');
  group('STUN', () => {
    const packet = encodeMessage(bindingRequest);
    bench('decode Binding request', () => do_not_optimize(decodeMessage(packet)));
    bench('encode Binding success', () => do_not_optimize(encodeMessage(bindingSuccess)));
  });
  group('TURN', () => {
    const integrity = { algorithm: 'sha1', key: createHash('md5').update('bench:culvert:secret').digest() } as const;
    const packet = encodeMessage(allocateRequest, { integrity });
    const decoded = decodeMessage(packet);
    if (!decoded.ok || decoded.message.messageIntegrity === undefined)
      throw new Error('the codec refuses its own work');
    const mac = decoded.message.messageIntegrity;
    bench('decode Allocate request', () => do_not_optimize(decodeMessage(packet)));
    bench('verify its MESSAGE-INTEGRITY', () => do_not_optimize(verifyIntegrity(packet, mac, 'sha1', integrity.key)));
    bench('encode Allocate success, signed', () => do_not_optimize(encodeMessage(allocateSuccess, { integrity })));
  });
  group('ChannelData, 160 B', () => {
    const data = new Uint8Array(160);
    const packet = encodeChannelData(0x4000, data, false);
    bench('decode', () => do_not_optimize(decodeChannelData(packet)));
    bench('encode', () => do_not_optimize(encodeChannelData(0x4000, data, false)));
  });
  const colors = process.stdout.isTTY;
  await run(args[0] === undefined ? { colors } : { colors, filter: new RegExp(args[0], 'i') });
  return 0;
}

const transactionId = new Uint8Array(12).fill(7);
const client = { family: 4, address: '198.51.100.7', port: 40_000 } as const;
const relayed = { family: 4, address: '203.0.113.1', port: 50_000 } as const;

const bindingRequest: StunMessage = { class: 'request', method: METHOD_BINDING, transactionId, attributes: {} };

const bindingSuccess: StunMessage = {
  class: 'success',
  method: METHOD_BINDING,
  transactionId,
  attributes: { xorMappedAddress: client },
};

const allocateRequest: StunMessage = {
  class: 'request',
  method: METHOD_ALLOCATE,
  transactionId,
  attributes: { requestedTransport: 17, username: 'bench', realm: 'culvert', nonce: 'n'.repeat(40) },
};

const allocateSuccess: StunMessage = {
  class: 'success',
  method: METHOD_ALLOCATE,
  transactionId,
  attributes: { xorRelayedAddress: relayed, xorMappedAddress: client, lifetime: 600, software: 'culvert' },
};
