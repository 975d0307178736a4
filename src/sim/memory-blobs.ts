/** Blobs in memory, for a simulator inside another process. Nothing survives; every write is complete at once. */
import { emptyContent, type Blobs, type Content, type Inflow } from "./content.ts";
import { QuickXor } from "./quick-xor.ts";

export function memoryBlobs(): Blobs {
  const bytesOf = new Map<number, Uint8Array>();
  let last = 0;
  const keep = (bytes: Uint8Array, hash: string): Content => {
    if (bytes.length === 0) return emptyContent;
    bytesOf.set(++last, bytes);
    return { kind: "stored", blob: last, size: bytes.length, hash };
  };
  return {
    create: () => memoryInflow(keep),
    store: (bytes) => keep(Buffer.from(bytes), new QuickXor().update(bytes).digest()),
    read: (blob, from, to) => (bytesOf.get(blob) ?? new Uint8Array(0)).subarray(from, to),
    bytes: (blob) => bytesOf.get(blob) ?? new Uint8Array(0),
    drop: (blob) => void bytesOf.delete(blob),
  };
}

function memoryInflow(keep: (bytes: Uint8Array, hash: string) => Content): Inflow {
  let chunks: Uint8Array[] = [];
  let hash = new QuickXor();
  return {
    get length() {
      return hash.length;
    },
    write(chunk) {
      chunks.push(Buffer.from(chunk));
      hash.update(chunk);
    },
    flush: () => Promise.resolve(),
    mark: () => ({ length: hash.length, hash: hash.clone() }),
    rewind(mark) {
      chunks = [Buffer.concat(chunks).subarray(0, mark.length)];
      hash = (mark.hash as QuickXor).clone();
    },
    finish: () => keep(Buffer.concat(chunks), hash.digest()),
    abort: () => void (chunks = []),
  };
}
