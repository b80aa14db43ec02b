import type { Clock } from '../base/ports/clock.ts';
import type { Disk } from '../base/ports/disk.ts';
import { SickDisk, type DiskFaults } from './sick-disk.ts';
import { SkewedClock, type ClockFaults } from './skewed-clock.ts';

/** The ports of a node that allows faults: what is wrong with them is said once there is somebody to say it. */
export class SickMachine<T extends { readonly disk: Disk; readonly clock: Clock }> {
  readonly ports: T;
  readonly #disk: SickDisk;
  readonly #clock: SkewedClock;

  constructor(ports: T) {
    this.#clock = new SkewedClock(ports.clock);
    this.#disk = new SickDisk(ports.disk, ports.clock);
    this.ports = { ...ports, disk: this.#disk, clock: this.#clock };
  }

  obey(faults: DiskFaults & ClockFaults): void {
    this.#disk.faults = faults;
    this.#clock.faults = faults;
  }
}
