/**
 * quickXorHash as the documentation words it, slow and plain, for the fakes and as the measure of the fast ones. Shares no code
 * with the product or the simulator.
 */

const BITS = 160n;
const MASK = (1n << BITS) - 1n;

/** Base64 of the 20 bytes. Byte i is XORed into a 160-bit register rotated left by 11*i; the length goes over the last 8 bytes. */
export function quickXorOf(bytes: Uint8Array): string {
  const columns = new Uint8Array(160);
  for (let i = 0; i < bytes.length; i++) columns[i % 160]! ^= bytes[i]!;
  let register = 0n;
  columns.forEach((column, i) => {
    const shifted = BigInt(column) << BigInt((11 * i) % 160);
    register ^= (shifted & MASK) | (shifted >> BITS);
  });
  const out = Buffer.alloc(20);
  for (let i = 0; i < 20; i++) out[i] = Number((register >> BigInt(8 * i)) & 255n);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  for (let i = 0; i < 8; i++) out[12 + i]! ^= length[i]!;
  return out.toString("base64");
}
