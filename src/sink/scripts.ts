// What happens inside of Redis, in one step each: no crash and no other client comes between its lines. Numbers of the
// source are text here and are only compared for equality: Lua would round them beyond 2^53. What a hash does not hold
// is tested by its type, because clients and imitations of Redis disagree on what stands for nothing.

/**
 * Takes over a stream: whoever opened it last may write.
 * KEYS: stream, checkpoint. ARGV: source, owner, epoch held (0: none), first position.
 * Replies {'open', next, epoch, 'new' or 'known'}, {'fenced', owner}, {'other', source} or {'stray'}.
 */
export const OPEN = `
local held = redis.call('HMGET', KEYS[2], 'source', 'next', 'epoch', 'owner')
local mine = tonumber(ARGV[3])
if type(held[1]) ~= 'string' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return {'stray'} end
  local first = tostring(mine + 1)
  redis.call('HSET', KEYS[2], 'source', ARGV[1], 'next', ARGV[4], 'epoch', first, 'owner', ARGV[2])
  return {'open', ARGV[4], first, 'new'}
end
if held[1] ~= ARGV[1] then return {'other', held[1]} end
local epoch = tonumber(held[3])
if mine > 0 and (epoch > mine or (epoch == mine and held[4] ~= ARGV[2])) then return {'fenced', held[4]} end
if epoch < mine then epoch = mine end
if held[4] ~= ARGV[2] or mine == 0 or epoch > tonumber(held[3]) then
  epoch = epoch + 1
  redis.call('HSET', KEYS[2], 'epoch', tostring(epoch), 'owner', ARGV[2])
end
return {'open', held[2], tostring(epoch), 'known'}
`;

/**
 * Writes entries and moves the checkpoint behind them, if it stands where the writer believes it does. Where it stands
 * behind them already, this is a second try of what was done: its reply was lost.
 * KEYS: stream, checkpoint. ARGV: owner, epoch, position believed, position after, longest stream (0: no end), then for
 * each entry its id, the number of its names and values, and these.
 * Replies 'applied' or 'elsewhere'. The first XADD is the only one that can fail: the ids behind it only grow.
 */
export const APPEND = `
local held = redis.call('HMGET', KEYS[2], 'next', 'epoch', 'owner')
if held[3] ~= ARGV[1] or held[2] ~= ARGV[2] then return 'elsewhere' end
if held[1] == ARGV[4] then return 'applied' end
if held[1] ~= ARGV[3] then return 'elsewhere' end
local at = 6
while at < #ARGV do
  local count = tonumber(ARGV[at + 1])
  local last = at + 1 + count
  local reply
  if ARGV[5] == '0' then
    reply = redis.pcall('XADD', KEYS[1], ARGV[at], unpack(ARGV, at + 2, last))
  else
    reply = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], ARGV[at], unpack(ARGV, at + 2, last))
  end
  if type(reply) ~= 'string' then return reply end
  at = last + 1
end
redis.call('HSET', KEYS[2], 'next', ARGV[4])
return 'applied'
`;
