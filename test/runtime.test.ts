import { expect, test } from 'vitest';

// vitest merely warns on an older Node and runs.
test('the tests run on a supported Node', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  expect(major > 22 || (major === 22 && minor >= 12), process.version).toBe(true);
});
