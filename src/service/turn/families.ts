import type { Family } from '../../net/address.ts';
import type { StunAttributes } from '../../wire/stun/message.ts';
import type { MissingFamily } from './allocation.ts';
import type { TurnConfig } from './config.ts';
import type { Slot } from './opening.ts';
import type { Refusal } from './reasons.ts';

/** RFC 8489 §14.1: the family byte of the wire. */
export const ADDRESS_FAMILY: Readonly<Record<Family, number>> = { 4: 0x01, 6: 0x02 };

export function familyOf(byte: number): Family | undefined {
  if (byte === ADDRESS_FAMILY[4]) return 4;
  return byte === ADDRESS_FAMILY[6] ? 6 : undefined;
}

/** The ports that an Allocate asks for, of the families that we have (RFC 8656 §7.2 steps 7 to 9); or why there are none. */
export function wantedSlots(
  { relay }: Pick<TurnConfig, 'relay'>,
  attributes: StunAttributes,
): { readonly slots: Slot[]; readonly missing: MissingFamily | undefined } | Refusal {
  const has = (family: Family) => (family === 4 ? relay.ipv4 : relay.ipv6) !== undefined;
  if (attributes.additionalAddressFamily !== undefined) {
    const families = ([4, 6] as const).filter(has);
    const [only] = families;
    if (only === undefined) return 'family-unsupported';
    // Step 9: what can be given is given, and the answer says what could not.
    const missing = families.length === 2 ? undefined : ({ family: only === 4 ? 6 : 4, code: 440 } as const);
    return { slots: families.map((family) => slot(family, 'relayed')), missing };
  }
  const { requestedAddressFamily } = attributes;
  const family = requestedAddressFamily === undefined ? 4 : familyOf(requestedAddressFamily);
  if (family === undefined || !has(family)) return 'family-unsupported';
  const slots = [slot(family, 'relayed')];
  if (attributes.evenPort?.reserveNext) slots.push(slot(family, 'reserved'));
  return { slots, missing: undefined };
}

function slot(family: Family, use: Slot['use']): Slot {
  return { family, use, state: 'wanted', relay: undefined };
}
