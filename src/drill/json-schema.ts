import { z } from 'zod';
import { DRILL } from './script-schema.ts';

/** What editors check scripts against while they are written: made from the schema that reads them. */
export function drillJsonSchema(): object {
  return { title: 'A dledger drill', ...z.toJSONSchema(DRILL, { io: 'input' }) };
}
