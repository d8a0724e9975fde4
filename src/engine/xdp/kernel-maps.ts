import type { BpfMap } from '../../sys/libbpf/map.ts';
import type { BpfObject } from '../../sys/libbpf/object.ts';
import { FLOW_MAPS, type FlowMapName } from './layout.ts';

/** The maps of bpf/maps.h. */
export interface KernelMaps {
  readonly flows: Readonly<Record<FlowMapName, BpfMap>>;
  readonly ports: BpfMap;
  readonly own4: BpfMap;
  readonly own6: BpfMap;
  readonly egress: BpfMap;
  readonly buckets: BpfMap;
  readonly budgets: BpfMap;
  readonly neighbours: BpfMap;
  readonly counters: BpfMap;
  readonly settings: BpfMap;
}

/** Their names in the object, for pins too. */
export const MAP_NAMES = [
  ...FLOW_MAPS,
  'ports',
  'own4',
  'own6',
  'egress',
  'buckets',
  'budgets',
  'neighbours',
  'counters',
  'settings_map',
] as const;

/** Of an object that is loaded. */
export function kernelMaps(object: BpfObject): KernelMaps {
  return {
    flows: {
      flows4: object.map('flows4'),
      flows6: object.map('flows6'),
      receivers4: object.map('receivers4'),
      receivers6: object.map('receivers6'),
    },
    ports: object.map('ports'),
    own4: object.map('own4'),
    own6: object.map('own6'),
    egress: object.map('egress'),
    buckets: object.map('buckets'),
    budgets: object.map('budgets'),
    neighbours: object.map('neighbours'),
    counters: object.map('counters'),
    settings: object.map('settings_map'),
  };
}

/** The program that the object holds. */
export const PROGRAM = 'relay';
