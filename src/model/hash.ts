/**
 * What the service's hash is worth. quickXorHash folds bytes that repeat themselves away: of a run of one letter, or of zeros, of a fitting
 * length nothing is left in it but the length. Two such hashes are equal although the bytes are not.
 */

/** 12 of its 20 bytes, which the length does not reach. */
const NOTHING = "A".repeat(16);

/** True when the hash (base64) says nothing of the bytes but how many they are. */
export function saysLengthOnly(hash: string): boolean {
  return hash.startsWith(NOTHING);
}
