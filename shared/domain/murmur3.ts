/**
 * MurmurHash3_x86_32: spreads texts evenly over 32 bits. By Austin Appleby, in the public domain:
 * https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp. Not for secrets.
 *
 * @returns a whole number from 0 to 2³² − 1
 */
export function murmur3(text: string, seed = 0): number {
  const bytes = new TextEncoder().encode(text);
  const tail = bytes.length & ~3;
  let hash = seed;
  for (let i = 0; i < tail; i += 4) {
    const block = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    hash = rotate(hash ^ scramble(block), 13);
    hash = Math.imul(hash, 5) + 0xe6546b64 | 0;
  }
  let rest = 0;
  for (let i = bytes.length - 1; i >= tail; i--) rest = rest << 8 | bytes[i]!;
  hash ^= scramble(rest) ^ bytes.length;

  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

function scramble(block: number): number {
  return Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
}

function rotate(value: number, bits: number): number {
  return value << bits | value >>> 32 - bits;
}
