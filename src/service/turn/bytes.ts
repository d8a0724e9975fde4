/** Short byte strings as map keys and as compact fields: a string of 12 characters takes a tenth of a Uint8Array of 12 bytes. */
export function toLatin1(bytes: Uint8Array): string {
  return Reflect.apply(String.fromCharCode, undefined, bytes);
}

export function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
