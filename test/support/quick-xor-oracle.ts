/** quickXorHash as the published description has it, bit by bit: slow and plain, shares no code with the product or the simulator. */

export function quickXorOracle(bytes: Uint8Array): string {
  const register = new Uint8Array(20);
  for (let i = 0; i < bytes.length; i++) {
    const shift = (11 * i) % 160;
    for (let bit = 0; bit < 8; bit++) {
      if (((bytes[i]! >> bit) & 1) === 0) continue;
      const at = (shift + bit) % 160;
      register[at >> 3]! ^= 1 << (at & 7);
    }
  }
  let rest = bytes.length;
  for (let i = 12; i < 20; i++) {
    register[i]! ^= rest % 256;
    rest = Math.floor(rest / 256);
  }
  return Buffer.from(register).toString("base64");
}
