import { endpointKey } from '../net/endpoint.ts';
import { isPrivate } from './addresses.ts';
import type { ProbeError, ProbeFault } from './failure.ts';
import type { Session } from './session.ts';
import type { StepName } from './steps.ts';

/** One sentence: what failed, and the likely cause. */
export function diagnose(step: StepName, error: ProbeError, session: Session): string {
  return `${step} failed: ${error.message}; likely cause: ${likelyCause(step, error, session)}.`;
}

function likelyCause(step: StepName, error: ProbeError, session: Session): string {
  if (session.target.service === 'tcp' || session.target.service === 'udp') {
    const cause = FORWARD_CAUSES[error.code];
    if (cause !== undefined) return cause;
  }
  if (error.code === 'error-response') return causeOfErrorCode(error.errorCode?.code ?? 0, step, session);
  if (session.target.service === 'wireguard' && WIREGUARD_CAUSES[error.code] !== undefined) {
    return WIREGUARD_CAUSES[error.code] ?? '';
  }
  if (error.code === 'no-data' || error.code === 'lossy') return causeOfLostData(error.code, session);
  return CAUSES[error.code](session);
}

const CAUSES: Readonly<
  Record<Exclude<ProbeFault, 'error-response' | 'no-data' | 'lossy'>, (session: Session) => string>
> = {
  'name-not-found': ({ target }) => `the name "${target.host}" is misspelt, or this machine's DNS does not work`,
  'no-such-family': ({ target }) => `"${target.host}" has no address of the family asked for`,
  'no-answer': noAnswer,
  refused: ({ target }) =>
    `nothing listens on ${target.transport === 'udp' ? 'UDP' : 'TCP'} port ${target.port} there, or a firewall rejects it`,
  unreachable: () => 'this machine has no route to that address (no IPv6 here, or the network is down)',
  closed: ({ target }) =>
    target.transport === 'tls'
      ? 'the port speaks no TLS, or the server turned the client away'
      : 'the server speaks another protocol on this port (TLS? then use turns:), was stopped, or turned the client away',
  'tls-name': ({ target }) =>
    `the certificate is for another name than "${target.host}": use the name in the certificate, or get one for this name`,
  'tls-expired': () => "the certificate has expired or is not valid yet (renew it, or check this machine's clock)",
  'tls-untrusted': () =>
    'the certificate is self-signed, its chain is incomplete or its authority is unknown here (serve the full chain; --insecure to go on)',
  'tls-failed': () =>
    'the port speaks no TLS (a plain TCP listener? then use turn: with ?transport=tcp), or no common version',
  integrity: () => 'the password is wrong, or something between changes packets (a SIP or TURN helper in a router)',
  'bid-down': () => 'something between client and server removes security features, or the server is faulty',
  'no-credentials': () => 'none were given: use --user and --password, or --secret',
  'bad-response': () => 'the server is no STUN/TURN server, or a faulty one',
  'large-lost': () => 'the path has a small MTU and drops what would need fragments (a tunnel or VPN on the way?)',
  corrupt: () => 'something between changes packets',
  network: () => "this machine's network",
};

/** Where the probe knows nothing of the protocol. */
const FORWARD_CAUSES: Readonly<Partial<Record<ProbeFault, string>>> = {
  closed:
    'the forward has no upstream that answers, the relay drains (culvert status tells both), or does not serve this address',
  'no-answer':
    'a firewall is in the way, the upstream is down, the relay drains (culvert status tells both), or the upstream answers to nothing but its own protocol',
};

const WIREGUARD_CAUSES: Readonly<Partial<Record<ProbeFault, string>>> = {
  'no-answer':
    'the relay is not running or drains (culvert status tells), a firewall blocks its UDP port, or it serves registered peers only (then `wg show` at two of them tells more)',
  'no-data':
    'the relay drains (culvert status tells), an overloaded or lossy network, a small MTU on the path, or another relay that forwards handshakes only',
};

function noAnswer({ target }: Session): string {
  if (target.service === 'pair') {
    return `the relay is not running or drains (culvert status tells), it has another secret than this probe (it never says so; --secret gives it), or a firewall blocks UDP port ${target.port}`;
  }
  return target.transport === 'udp'
    ? `the server is not running, or a firewall or cloud security group blocks UDP port ${target.port}`
    : `a firewall drops TCP port ${target.port}, or what listens there is no ${target.transport === 'tls' ? 'TLS ' : ''}TURN server`;
}

/** RFC 8656 §19 and RFC 8489 §14.8. */
function causeOfErrorCode(code: number, step: StepName, { allocations, options }: Session): string {
  switch (code) {
    case 300:
      return 'the server sends clients elsewhere, which the probe does not follow';
    case 400:
      return 'the server finds the request malformed: a fault of it or of this probe';
    case 401:
      return options.localCredentials
        ? 'it is another server than the one that runs from this folder, whose credentials were tried: use --user and --password'
        : "wrong user, password or secret, expired time-limited credentials, or clocks that differ (the server's and this machine's)";
    case 403: {
      const peer = allocations.at(-1)?.relayed;
      return peer === undefined || step.startsWith('allocate')
        ? 'this user or address may not allocate here'
        : `the server denies ${peer.address} as a peer${isPrivate(peer) ? ', a private or loopback address: set its public address, or allow that range as peers' : ''}`;
    }
    case 420:
      return 'the server is an old one that lacks a feature';
    case 437:
      return 'the allocation is gone, or an earlier one of this address and port is still alive (restarted server, load balancer without affinity)';
    case 438:
      return "the server's nonces expire at once: several servers behind one address that do not share a nonce key?";
    case 440:
      return options.family === 6
        ? 'the server has no IPv6 relayed addresses: configure one'
        : 'the server has no IPv4 relayed addresses: configure one, or ask for IPv6 with --ipv6';
    case 441:
      return 'another user owns the allocation of this address and port';
    case 442:
      return 'the server does not relay UDP';
    case 443:
      return 'the two relayed addresses are of different families';
    case 486:
      return 'the quota of this user, or of the server, is used up';
    case 500:
      return 'the server had a fault of its own: see its log';
    case 508:
      return 'no relayed port is free, the server takes no new clients (a drain), or it cannot bind its relay address (see its relay address and port range)';
    default:
      return 'see the log of the server';
  }
}

function causeOfLostData(code: 'no-data' | 'lossy', { server, allocations }: Session): string {
  if (code === 'lossy') return 'an overloaded or lossy network, or a rate limit';
  if (allocations.length === 0)
    return 'the relay lost the pair, or something between drops what follows the handshakes';
  const hidden = allocations.find(({ relayed }) => isPrivate(relayed))?.relayed;
  if (hidden !== undefined && server !== undefined && !isPrivate(server)) {
    return `the relayed address ${endpointKey(hidden)} is private while the server is at ${server.address}: its public address is not set`;
  }
  const ports = allocations.map(({ relayed }) => relayed.port).join(' and ');
  return `a firewall blocks the relayed ports (here UDP ${ports}), or the server's public address is wrong or not reachable from itself`;
}
