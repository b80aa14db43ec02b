import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const IMAGE_MIB = 96;

/**
 * An ext4 file system in a file, mounted. What its files hold and what reached the image are as different as with a disk: a
 * copy of the image is what a power cut would leave.
 */
export class LoopImage {
  readonly #image: string;
  readonly #mountPoint: string;

  constructor(image: string, mountPoint: string) {
    this.#image = image;
    this.#mountPoint = mountPoint;
    fs.mkdirSync(mountPoint, { recursive: true });
    execute('truncate', '-s', `${IMAGE_MIB}M`, image);
    execute('mkfs.ext4', '-q', '-F', image);
    this.#mount();
    // A data directory is nobody else's.
    fs.chmodSync(mountPoint, 0o700);
  }

  /** The disk at this moment, without what is in the page cache only. Nobody should be writing. */
  copy(): void {
    execute('cp', '--sparse=always', this.#image, this.#copy);
  }

  /** Everything in the page cache reaches the image. */
  settle(): void {
    execute('sync', '-f', this.#mountPoint);
  }

  /** Goes on with the copy. What had it open must be gone. */
  comeBack(): void {
    this.unmount();
    fs.renameSync(this.#copy, this.#image);
    this.#mount();
  }

  unmount(): void {
    execute('umount', this.#mountPoint);
  }

  get #copy(): string {
    return `${this.#image}.copy`;
  }

  #mount(): void {
    // Nothing is written back by the clock: what is not synced is not there.
    execute('mount', '-o', 'loop,commit=300', this.#image, this.#mountPoint);
  }
}

function execute(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Why this machine mounts no images; null if it does. */
export const noLoopMounts: string | null = reason();

if (noLoopMounts !== null)
  process.stderr.write(`power cuts on a real file system are skipped: ${noLoopMounts}\n`);

function reason(): string | null {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-loop-'));
  try {
    const image = new LoopImage(path.join(directory, 'image'), path.join(directory, 'mounted'));
    image.unmount();
    return null;
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: Buffer };
    return `no ext4 image can be mounted here (${stderr?.toString().trim() || message})`;
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
