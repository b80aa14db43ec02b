import fs from 'node:fs';
import path from 'node:path';

/** Whether a path, which may not be there yet, lies in a directory or is it, also by way of links. */
export function isWithin(target: string, directory: string): boolean {
  let existing = path.resolve(target);
  while (!fs.existsSync(existing)) existing = path.dirname(existing);
  const real = path.join(fs.realpathSync(existing), path.relative(existing, path.resolve(target)));
  const relative = path.relative(fs.realpathSync(directory), real);
  return (
    relative === '' ||
    (relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative))
  );
}
