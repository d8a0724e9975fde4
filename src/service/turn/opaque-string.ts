const CONTROLS: RegExp = /\p{Cc}/u;
const OTHER_SPACES: RegExp = /\p{Zs}/gu;

/**
 * The OpaqueString profile (RFC 8265 §4.2) as far as it changes text: other spaces become U+0020, then NFC; nothing is left or a control
 * character is in it → undefined. Not done: the refusal of unassigned and other disallowed code points of the FreeformClass (RFC 8264),
 * which would need its tables and keeps out only passwords that nobody can type alike twice.
 */
export function opaqueString(text: string): string | undefined {
  const prepared = text.replace(OTHER_SPACES, ' ').normalize('NFC');
  return prepared === '' || CONTROLS.test(prepared) ? undefined : prepared;
}
