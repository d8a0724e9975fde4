import type { Config } from '../control/config/schema.ts';
import type { Obstacle } from '../engine/batched/obstacle.ts';
import { foreignAddressObstacle } from '../sys/transparent.ts';

/** Why forwards whose upstreams are to see their clients' addresses cannot run here. */
export interface TransparencyObstacle {
  readonly detail: string;
  readonly fix: string;
}

/** Undefined when they can, or when there is none. `batched`: why that engine does not run, be it by itself or below xdp. */
export function transparencyObstacle(
  config: Pick<Config, 'forward'>,
  batched: () => Pick<Obstacle, 'detail'> | undefined,
  right: () => string | undefined = foreignAddressObstacle,
): TransparencyObstacle | undefined {
  const names = transparentForwards(config).map(({ name }) => name);
  if (names.length === 0) return undefined;
  const what = `forward ${names.join(', ')}: transparent needs`;
  const engine = batched();
  if (engine !== undefined) {
    return { detail: `${what} the batched engine, which does not run here: ${engine.detail}`, fix: TELL_OTHERWISE };
  }
  const refusal = right();
  return refusal === undefined
    ? undefined
    : { detail: `${what} CAP_NET_ADMIN or CAP_NET_RAW, and IP_TRANSPARENT is refused: ${refusal}`, fix: GIVE_RIGHT };
}

export function transparentForwards({ forward = [] }: Pick<Config, 'forward'>): NonNullable<Config['forward']> {
  return forward.filter(({ transparent }) => transparent);
}

const TELL_OTHERWISE = "proxyOut: v2 in its place tells the upstream the client's address with every engine";
const GIVE_RIGHT = 'AmbientCapabilities=CAP_NET_RAW in the systemd unit, docker run --cap-add NET_RAW, or root';
