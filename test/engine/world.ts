/**
 * A cloud, some devices, a seed and a clock moved by hand. `pass` moves time in small jumps, each only after everything that was
 * ready has run; `quiet` lets all devices push and pull until nothing is left to do.
 */
import assert from "node:assert/strict";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { fakeCloud, type CloudKnobs } from "../support/fake-cloud.ts";
import { viewOfFake, type CloudView } from "./cloud-view.ts";
import { Device, type DeviceOptions } from "./device.ts";

export class World {
  readonly clock = manualClock();
  readonly random: Random;
  readonly cloud: ReturnType<typeof fakeCloud>;
  readonly devices: Device[] = [];
  view: CloudView;

  constructor(seed: string | number, knobs: Partial<CloudKnobs> = {}) {
    this.random = seededRandom(seed);
    this.cloud = fakeCloud({ clock: this.clock, random: this.random, knobs });
    this.view = viewOfFake(this.cloud);
  }

  device(name: string, more: Partial<DeviceOptions> = {}): Device {
    const device = new Device({ name, clock: this.clock, random: this.random, cloud: this.cloud, ...more });
    this.devices.push(device);
    return device;
  }

  /** Everything that is ready runs. */
  async turn(): Promise<void> {
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    for (const { defects } of this.devices) if (defects.length > 0) throw defects[0];
  }

  /** Time passes; timers run one moment at a time. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    await this.turn();
    for (let next = this.clock.nextAt(); next !== undefined && next <= until; next = this.clock.nextAt()) {
      this.clock.advance(Math.max(0, next - this.clock.now()));
      await this.turn();
    }
    this.clock.advance(until - this.clock.now());
    await this.turn();
  }

  /** Until `done`, at most `mostMs` from now. */
  async until(done: () => boolean, mostMs: number, what: string): Promise<void> {
    const end = this.clock.now() + mostMs;
    await this.turn();
    while (!done()) {
      assert.ok(this.clock.now() < end, `${what}: not within ${mostMs} ms`);
      const next = this.clock.nextAt() ?? end;
      this.clock.advance(Math.max(1, next - this.clock.now()));
      await this.turn();
    }
  }

  /** A promise of the engine, while time passes. */
  async wait<T>(promise: Promise<T>, mostMs = 3_600_000): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
    await this.until(() => outcome !== undefined, mostMs, "a promise");
    const settled = outcome as unknown as { value: T } | { error: unknown };
    if ("error" in settled) throw settled.error;
    return settled.value;
  }

  /** Every device pushes and pulls until none has anything left. */
  async quiet(mostRounds = 20): Promise<void> {
    await this.pass(Math.max(0, this.view.lagMs) + 4_000);
    for (let round = 0; round < mostRounds; round++) {
      const before = this.#changes();
      for (const device of this.devices) {
        const pulled = await this.wait(device.puller.sync());
        assert.ok(pulled.ok, `${device.name} pulls: ${pulled.ok ? "" : pulled.fault.why}`);
        await this.wait(device.flusher.sync());
      }
      await this.pass(this.view.lagMs + 100);
      if (this.#changes() === before && this.devices.every((device) => device.flusher.status().pending === 0)) return;
    }
    const left = this.devices.map((device) => `${device.name}: ${JSON.stringify(device.flusher.status())}`);
    assert.fail(`not quiet after ${mostRounds} rounds: ${left.join("; ")}`);
  }

  async stop(): Promise<void> {
    for (const device of this.devices) await this.wait(device.stop());
  }

  #changes(): string {
    return this.view
      .tree()
      .map(({ tag, path }) => `${path} ${tag}`)
      .join("\n");
  }
}
