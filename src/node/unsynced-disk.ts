import type { Clock } from '../base/ports/clock.ts';
import type { Disk, DiskFile } from '../base/ports/disk.ts';

/**
 * A disk whose syncs do nothing: what `unsafe-no-sync` buys its speed with. A killed process loses nothing, a power
 * cut loses what the kernel had not written.
 */
export function withoutSync(disk: Disk, clock: Clock): Disk {
  return {
    openSync: (path, mode) => unsynced(disk.openSync(path, mode), clock),
    existsSync: (path) => disk.existsSync(path),
    listSync: (path) => disk.listSync(path),
    mkdirSync: (path) => disk.mkdirSync(path),
    renameSync: (from, to) => disk.renameSync(from, to),
    unlinkSync: (path) => disk.unlinkSync(path),
    syncDirectorySync: () => undefined,
    spaceSync: (path) => disk.spaceSync(path),
    lockDirectorySync: (path) => disk.lockDirectorySync(path),
  };
}

function unsynced(file: DiskFile, clock: Clock): DiskFile {
  return {
    path: file.path,
    size: () => file.size(),
    readSync: (target, position) => file.readSync(target, position),
    read: (target, position, done) => file.read(target, position, done),
    writevSync: (chunks, position) => file.writevSync(chunks, position),
    write: (chunk, position, done) => file.write(chunk, position, done),
    datasync: (done) => clock.defer(() => done(null)),
    datasyncSync: () => undefined,
    closeSync: () => file.closeSync(),
  };
}
