/**
 * A refusal is the service saying no: an HTTP status with a Graph error code. State and routes throw it; it is turned into
 * an answer in one place (sim.ts). State code validates everything before it changes anything, so a refusal never leaves a
 * half-done change. Any other thrown value is a defect of the simulator and becomes a 500 that names itself.
 */

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    details: { message?: string; inner?: string; headers?: Record<string, string> } = {},
  ) {
    super(details.message ?? code);
    this.status = status;
    this.code = code;
    this.inner = details.inner;
    this.headers = details.headers ?? {};
  }
}

export function badRequest(code: string, message: string, inner?: string): Refusal {
  return new Refusal(400, code, inner === undefined ? { message } : { message, inner });
}

export function notFound(message = "The resource could not be found."): Refusal {
  return new Refusal(404, "itemNotFound", { message });
}

export function nameTaken(message = "An item with the same name already exists under the parent"): Refusal {
  return new Refusal(409, "nameAlreadyExists", { message });
}

export function preconditionFailed(): Refusal {
  return new Refusal(412, "resourceModified", {
    message: "The resource has changed since the caller last read it; usually an eTag mismatch.",
    inner: "preconditionFailed",
  });
}

/** A call or option the simulator does not have. It is refused loudly and never half served. */
export function unsupported(feature: string): Refusal {
  return new Refusal(501, "notSupported", { message: `The simulator does not implement: ${feature}` });
}

export function quotaReached(): Refusal {
  return new Refusal(507, "quotaLimitReached", { message: "Insufficient Space Available", inner: "quotaLimitReached" });
}
