#!/usr/bin/env node
// Makes a clone ready to run: installs packages, brings the Node runtime, builds. Does only what is missing, says
// what it does on stderr, and says nothing when there is nothing to do.
//
// It is called from inside the npm scripts and not by `prestart` or `pretest`, because npm skips those when
// `ignore-scripts` is set. It runs before anything is installed, hence plain JavaScript, without dependencies, that
// runs on Node 20.
//
//   setup.mjs              all of it
//   setup.mjs --no-build   without the build
//   setup.mjs --clean      with a build into an emptied dist, for packing: a build leaves outputs of deleted sources

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const at = (/** @type {string[]} */ ...parts) => path.join(root, ...parts);

const runtime = at('node_modules/.bin/node');
const installStamp = at('node_modules/.dledger-install');
const buildStamp = at('.cache/build-stamp');
const lock = at('.cache/setup-lock');
const lockWaitMsMax = 10 * 60_000;

const flags = new Set(process.argv.slice(2));
const wantsBuild = !flags.has('--no-build');
const wantsClean = flags.has('--clean');

/** A failure to tell in one line, without a stack. */
class SetupError extends Error {}

try {
  if (wantsClean || !isReady()) {
    fs.mkdirSync(at('.cache'), { recursive: true });
    takeLock();
    try {
      // Another set-up may have done it while this one waited: each step looks again.
      if (!isInstalled()) install();
      if (!hasRuntime()) bringRuntime();
      if (wantsBuild && (wantsClean || !isBuilt())) build();
    } finally {
      fs.rmSync(lock, { force: true });
    }
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}

function isReady() {
  return isInstalled() && hasRuntime() && (!wantsBuild || isBuilt());
}

// -- packages

function isInstalled() {
  return readIfThere(installStamp) === installKey();
}

/** What the installed packages depend on: the lockfile, and the platform, because some packages are binaries. */
function installKey() {
  const hash = createHash('sha256');
  for (const file of ['package.json', 'package-lock.json']) hash.update(fs.readFileSync(at(file)));
  return `${process.platform}-${process.arch} ${hash.digest('hex')}\n`;
}

function install() {
  say('installing packages');
  // Not `npm ci`: it refuses a lockfile in which the binary of another platform is missing, and registries differ in
  // which of those they serve. --no-save keeps the lockfile as it is; a test checks that it agrees with package.json.
  npm('install', '--no-save', '--no-audit', '--no-fund', '--include=dev', '--loglevel=error');
  // After a change of packages types may have changed too.
  fs.rmSync(buildStamp, { force: true });
  fs.writeFileSync(installStamp, installKey());
}

function hasRuntime() {
  return fs.existsSync(runtime);
}

function bringRuntime() {
  // The runtime comes by an install script of the package `node`, which npm skips when told to ignore scripts.
  say('bringing the Node runtime');
  npm('rebuild', 'node', '--ignore-scripts=false', '--loglevel=error');
  if (!hasRuntime()) throw new SetupError('the package `node` did not bring a runtime');
}

// -- build

function isBuilt() {
  const stamp = fs.statSync(buildStamp, { throwIfNoEntry: false });
  return stamp !== undefined && fs.existsSync(at('dist')) && newestSourceMs() <= stamp.mtimeMs;
}

function build() {
  say('building');
  const startMs = Date.now();
  if (wantsClean) fs.rmSync(at('dist'), { recursive: true, force: true });
  // tsc keeps stale errors after a change of a tsconfig, and does not notice new packages or an absent dist.
  const stamp = fs.statSync(buildStamp, { throwIfNoEntry: false });
  const force = stamp === undefined || !fs.existsSync(at('dist')) || newestMs(isConfig) > stamp.mtimeMs;
  const args = [at('node_modules/typescript/bin/tsc'), '-b', ...(force ? ['--force'] : [])];
  if (run(runtime, args) !== 0) throw new SetupError('the build failed');
  // The stamp is as old as the start of the build: what was saved meanwhile is newer.
  fs.writeFileSync(buildStamp, '');
  fs.utimesSync(buildStamp, startMs / 1000, startMs / 1000);
}

function newestSourceMs() {
  // Folders count too: their time tells of deleted files.
  return newestMs((entry) => entry.isDirectory() || /\.tsx?$/.test(entry.name) || isConfig(entry));
}

function isConfig(/** @type {fs.Dirent} */ entry) {
  return /^tsconfig.*\.json$/.test(entry.name);
}

function newestMs(/** @type {(entry: fs.Dirent) => boolean} */ wanted) {
  const src = fs.readdirSync(at('src'), { withFileTypes: true, recursive: true });
  const top = fs.readdirSync(root, { withFileTypes: true }).filter(isConfig);
  const files = [...src, ...top].filter(wanted).map((entry) => path.join(entry.parentPath, entry.name));
  return Math.max(...[at('src'), ...files].map((file) => fs.statSync(file).mtimeMs));
}

// -- one set-up at a time

/** The lock is a file that holds the pid of its owner. It is linked into place, so it is never seen half written. */
function takeLock() {
  const mine = `${lock}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  const deadlineMs = Date.now() + lockWaitMsMax;
  let told = false;
  try {
    while (!linkLock(mine)) {
      const owner = readIfThere(lock);
      if (owner !== undefined && !isAlive(Number(owner))) {
        dropLockOf(owner);
        continue;
      }
      if (Date.now() > deadlineMs)
        throw new SetupError(`${lock} is held by process ${owner}: gave up waiting`);
      if (!told) say(`waiting for another set-up (process ${owner})`);
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

function linkLock(/** @type {string} */ mine) {
  try {
    fs.linkSync(mine, lock);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Two may find the same stale lock: the rename has one winner, and whoever moved a living lock puts it back. */
function dropLockOf(/** @type {string} */ owner) {
  const moved = `${lock}.stale-${process.pid}`;
  try {
    fs.renameSync(lock, moved);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if (readIfThere(moved) !== owner) linkLock(moved);
  fs.rmSync(moved, { force: true });
}

function isAlive(/** @type {number} */ pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

// -- helpers

function npm(/** @type {string[]} */ ...args) {
  if (run('npm', args) !== 0) throw new SetupError(`\`npm ${args.join(' ')}\` failed`);
}

/** Runs a command with its output on stderr, because stdout belongs to what comes after the set-up. */
function run(/** @type {string} */ command, /** @type {string[]} */ args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw new SetupError(`cannot run ${command}: ${error.message}`);
  return status;
}

function readIfThere(/** @type {string} */ file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function errorCode(/** @type {unknown} */ error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function say(/** @type {string} */ text) {
  process.stderr.write(`setup: ${text}\n`);
}
