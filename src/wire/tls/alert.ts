/** A fatal alert, as it goes out before any key is agreed on (RFC 8446 §6): "unrecognized_name" (RFC 6066 §3), and the client knows why. */
export const UNRECOGNIZED_NAME: Uint8Array = Uint8Array.of(21, 3, 3, 0, 2, 2, 112);
