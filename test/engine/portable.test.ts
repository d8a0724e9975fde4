import { createPortableEngine } from '../../src/engine/portable/portable.ts';
import { missing } from '../requirements.ts';
import { engineConformance } from './conformance.ts';

engineConformance({
  name: 'portable',
  create: (parts) => createPortableEngine({ ...parts, sweepEvery: 20 }),
  skips: { ipv6: missing('ipv6'), tls: missing('openssl') },
});
