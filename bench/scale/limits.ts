import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const PIECE_BYTES = 1024 * 1024;
const DISK_PIECES = 400;
const LOOPBACK_MS = 1500;

/** Megabytes a second that one process can write, in pieces of 1 MiB, each synced. */
export function diskLimit(parent: string): number {
  const file = path.join(parent, `dledger-bench-${process.pid}`);
  const piece = Buffer.alloc(PIECE_BYTES, 120);
  const fd = fs.openSync(file, 'w');
  const startedMs = performance.now();
  try {
    for (let at = 0; at < DISK_PIECES; at += 1) {
      fs.writeSync(fd, piece);
      fs.fdatasyncSync(fd);
    }
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file);
  }
  return (DISK_PIECES * PIECE_BYTES) / 1e3 / (performance.now() - startedMs);
}

/** What the other process does: sends for as long as it is let. */
const SENDER = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
  const piece = Buffer.alloc(64 * 1024, 120);
  const send = () => { while (socket.write(piece)); };
  socket.on('drain', send).on('connect', send).on('error', () => process.exit());
`;

/** Megabytes a second from one process to another over the loopback, in writes of 64 KiB. */
export async function loopbackLimit(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const child = spawn(process.execPath, ['-e', SENDER, String((server.address() as net.AddressInfo).port)], {
    stdio: 'ignore',
  });
  try {
    const [socket] = (await once(server, 'connection')) as [net.Socket];
    const startedMs = performance.now();
    let bytes = 0;
    for await (const piece of socket) {
      bytes += (piece as Buffer).length;
      if (performance.now() - startedMs > LOOPBACK_MS) break;
    }
    return bytes / 1e3 / (performance.now() - startedMs);
  } finally {
    server.close();
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
