/** What a call needs: a plain value, because it travels into the page. */
export interface CallRequest {
  readonly url: string;
  readonly username: string;
  readonly credential: string;
  readonly bytes: number;
  /** Milliseconds that each stage of the call may take. */
  readonly patience: number;
}

export interface CallOutcome {
  readonly sentHash: string;
  readonly receivedHash: string;
  readonly receivedBytes: number;
  /** Both ends' selected candidate pairs. */
  readonly pairs: readonly SelectedPair[];
  /** Every candidate type that either end gathered. */
  readonly gathered: readonly string[];
}

interface SelectedPair {
  readonly local: string;
  readonly remote: string;
  /** How the local end reaches its relay: udp, tcp or tls. */
  readonly relayProtocol: string;
}

/**
 * The program of the page, as text because it runs in a browser, whose types this project does not load. Two peer connections that may
 * use relays only; one sends random bytes over a data channel, both ends hash them. Answers a CallOutcome, or throws with what is known.
 */
export const CALL_PROGRAM = `async ({ url, username, credential, bytes, patience }) => {
  const chunk = 16384;
  const events = [];
  const gathered = [];
  const config = { iceServers: [{ urls: url, username, credential }], iceTransportPolicy: 'relay' };
  const caller = new RTCPeerConnection(config);
  const callee = new RTCPeerConnection(config);

  const orFail = (promise, what) =>
    Promise.race([
      promise,
      new Promise((_, reject) =>
        setTimeout(() => {
          const states = [caller, callee].map((end) => end.iceConnectionState + '/' + end.connectionState).join(' ');
          reject(new Error('waited in vain for ' + what + ': ' + states + ' ' + JSON.stringify({ events, gathered })));
        }, patience),
      ),
    ]);
  const hash = async (data) =>
    Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', data)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const selectedPair = async (end) => {
    const stats = await end.getStats();
    const transport = [...stats.values()].find((entry) => entry.type === 'transport');
    const pair = stats.get(transport.selectedCandidatePairId);
    const local = stats.get(pair.localCandidateId);
    return {
      local: local.candidateType,
      remote: stats.get(pair.remoteCandidateId).candidateType,
      relayProtocol: local.relayProtocol,
    };
  };

  for (const [end, other] of [[caller, callee], [callee, caller]]) {
    end.onicecandidate = ({ candidate }) => {
      if (!candidate || !candidate.candidate) return;
      gathered.push(candidate.type);
      other.addIceCandidate(candidate);
    };
    end.onicecandidateerror = ({ errorCode, errorText }) => events.push(errorCode + ' ' + errorText);
  }

  try {
    const channel = caller.createDataChannel('bulk');
    const opened = new Promise((resolve) => { channel.onopen = resolve; });
    const received = new Uint8Array(bytes);
    let receivedBytes = 0;
    const complete = new Promise((resolve) => {
      callee.ondatachannel = ({ channel: incoming }) => {
        incoming.binaryType = 'arraybuffer';
        incoming.onmessage = ({ data }) => {
          received.set(new Uint8Array(data), receivedBytes);
          receivedBytes += data.byteLength;
          if (receivedBytes === bytes) resolve();
        };
      };
    });
    await caller.setLocalDescription();
    await callee.setRemoteDescription(caller.localDescription);
    await callee.setLocalDescription();
    await caller.setRemoteDescription(callee.localDescription);
    await orFail(opened, 'the data channel to open');

    const sent = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(sent.subarray(at, at + 65536));
    channel.bufferedAmountLowThreshold = 4 * chunk;
    for (let at = 0; at < bytes; at += chunk) {
      if (channel.bufferedAmount > 16 * chunk) {
        await orFail(new Promise((resolve) => { channel.onbufferedamountlow = resolve; }), 'room to send');
      }
      channel.send(sent.subarray(at, at + chunk));
    }
    await orFail(complete, 'all bytes');
    return {
      sentHash: await hash(sent),
      receivedHash: await hash(received),
      receivedBytes,
      pairs: [await selectedPair(caller), await selectedPair(callee)],
      gathered,
    };
  } finally {
    caller.close();
    callee.close();
  }
}`;
