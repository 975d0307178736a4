/**
 * The door to `debug`: one logger per subsystem, named `onedrive:SUBSYSTEM`. `fault` lines are always printed to stderr,
 * `trace` lines only when DEBUG (or -v) enables the name. Every line passes `redact`, so a token or a pre-authenticated URL
 * never leaves the process through a log.
 */
import createDebug from "debug";

export interface Log {
  /** Something a person may want to act on; always printed. */
  fault(message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Printed only when enabled. */
  trace(message: string, details?: Readonly<Record<string, unknown>>): void;
}

export function log(subsystem: string): Log {
  const print = createDebug(`onedrive:${subsystem}`);
  return {
    fault(message, details) {
      process.stderr.write(`mount.onedrive: ${line(message, details)}\n`);
    },
    trace(message, details) {
      if (print.enabled) print("%s", line(message, details));
    },
  };
}

/** Turns tracing on, as `-v` does. `names` is a `DEBUG` pattern. */
export function enableTrace(names = "onedrive:*"): void {
  createDebug.enable(names);
}

/** Hides bearer tokens, token fields, and the query of every URL (upload and download URLs carry their secret there). */
export function redact(text: string): string {
  return text
    .replace(/\b(Bearer)\s+[^\s"',;]+/gi, "$1 ***")
    .replace(
      /("?\b(?:access_token|refresh_token|id_token|client_secret|code|device_code|code_verifier)"?\s*[:=]\s*"?)[^"&\s,}]+/gi,
      "$1***",
    )
    .replace(/(https?:\/\/[^\s"'<>?]+)\?[^\s"'<>]*/gi, "$1?***")
    .replace(/(https?:\/\/[^\s"'<>]*\/(?:upload|download|_up|_dl|uploadSession)s?\/)[^\s"'<>]+/gi, "$1***");
}

function line(message: string, details?: Readonly<Record<string, unknown>>): string {
  if (!details) return redact(message);
  const shown = Object.entries(details).map(([key, value]) => `${key}=${show(value)}`);
  return redact(`${message} (${shown.join(", ")})`);
}

function show(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}
