"""The Lua scripts of the Redis bus. Each runs as one step that no other client sees half done.

Whoever writes says by how many partitions it routes, and is refused when the bus has another number by now.
A list of records is passed as: limit, one total per stream, then (stream index, key, value, origin) per record.

The stream index of a record that holds many events is followed by a colon and their number. Such records stand in
their stream at the number of events up to them. The hash of ends has, per stream of such records, where it ends, and
under `<stream>:from` the number before its first record. The first number of all is the time in microseconds, so that
numbers ascend even over the loss of this Redis.
"""

from __future__ import annotations

__all__ = ["COMMIT", "COUNT", "PUBLISH", "REPARTITION", "TRIMMED"]

_APPEND = """
local function another(number)
  local stored = redis.call('GET', KEYS[1])
  if stored and stored ~= number then return {'partitions', tonumber(stored)} end
  return nil
end
local function full(ends, streams, at)
  local limit = tonumber(ARGV[at])
  for i = 1, #streams do
    local stored = redis.call('HMGET', ends, streams[i], streams[i] .. ':from')
    local length = stored[1] and stored[1] - stored[2] or redis.call('XLEN', streams[i])
    local coming = tonumber(ARGV[at + i])
    if coming > 0 and length + coming > limit then return {'full', i - 1, length} end
  end
  return nil
end
local function after(ends, stream, events)
  if redis.call('HEXISTS', ends, stream) == 0 then
    local now = redis.call('TIME')
    local first = now[1] .. string.format('%06d', now[2])
    redis.call('HSET', ends, stream, first, stream .. ':from', first)
  end
  return string.format('%.0f-0', redis.call('HINCRBY', ends, stream, events))
end
local function append(ends, streams, at)
  for i = at + 1 + #streams, #ARGV, 4 do
    local number, id = tonumber(ARGV[i]), '*'
    if not number then
      local index, events = ARGV[i]:match('(%d+):(%d+)')
      number = tonumber(index)
      id = after(ends, streams[number], events)
    end
    redis.call('XADD', streams[number], id, 'k', ARGV[i + 1], 'v', ARGV[i + 2], 'o', ARGV[i + 3])
  end
end
"""

PUBLISH = (
    _APPEND
    + """
local refused = another(ARGV[1])
if refused then return refused end
local streams = {}
for i = 3, #KEYS do streams[i - 2] = KEYS[i] end
refused = full(KEYS[2], streams, 2)
if refused then return refused end
append(KEYS[2], streams, 2)
return {'ok'}
"""
)
"""KEYS: number of partitions, ends, streams. ARGV: that number, the records. Answers {'ok'}, {'partitions', the stored
one} or {'full', index of the stream from 0, its length}."""

COMMIT = (
    _APPEND
    + """
local refused = another(ARGV[1])
if refused then return refused end
local stored = redis.call('HGET', KEYS[3], ARGV[2]) or '0-0'
if stored ~= ARGV[3] then return {'moved', stored} end
local counts = tonumber(ARGV[5])
local at = 6 + 2 * counts
local streams = {}
for i = 5, #KEYS do streams[i - 4] = KEYS[i] end
refused = full(KEYS[2], streams, at)
if refused then return refused end
append(KEYS[2], streams, at)
for i = 6, at - 1, 2 do redis.call('HINCRBY', KEYS[4], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return {'ok'}
"""
)
"""KEYS: number of partitions, ends, positions, counters, streams. ARGV: that number, field, expected, new position,
number of counters, (name, amount) each, the records. Answers {'ok'}, {'partitions', the stored one}, {'moved',
stored position} or {'full', index of the stream from 0, its length}."""

REPARTITION = """
if (redis.call('GET', KEYS[1]) or ARGV[1]) ~= ARGV[1] then return {'partitions', redis.call('GET', KEYS[1])} end
local function last(stream)
  local found = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
  return found[1] and found[1][1]
end
local function before(a, b)
  local ahi, alo = a:match('(%d+)%-(%d+)')
  local bhi, blo = b:match('(%d+)%-(%d+)')
  if #ahi ~= #bhi then return #ahi < #bhi end
  if ahi ~= bhi then return ahi < bhi end
  return tonumber(alo) < tonumber(blo)
end
local read = tonumber(ARGV[3])
for i = 1, read do
  local newest = last(KEYS[2 + i])
  if newest and before(redis.call('HGET', KEYS[2], ARGV[3 + i]) or '0-0', newest) then return {'behind', i - 1} end
end
for i = read + 3, #KEYS do
  if redis.call('XLEN', KEYS[i]) > 0 then return {'held', i - read - 3} end
end
redis.call('SET', KEYS[1], ARGV[2])
return {'ok'}
"""
"""Changes the number of partitions. KEYS: number of partitions, positions, one stream per reader, streams that must be
empty. ARGV: the number as it is, the new one, how many readers, the field of each reader's position. Answers {'ok'},
{'partitions', the stored number}, {'behind', index of the reader from 0} or {'held', index of the stream from 0}."""

COUNT = """
local found = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
if #found == 0 then return {0, ''} end
return {#found, found[#found][1]}
"""
"""KEYS: stream. ARGV: XRANGE or XREVRANGE, its two ends, a limit. Answers {how many, the last one's id}."""

TRIMMED = """
local stored = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[1] .. ':from')
if not stored[1] then return end
local from = math.min(tonumber(ARGV[2]), tonumber(stored[1]))
if from > tonumber(stored[2]) then
  redis.call('HSET', KEYS[1], ARGV[1] .. ':from', string.format('%.0f', from))
end
"""
"""Notes that a stream was trimmed. KEYS: ends. ARGV: stream, number of events before what it has now."""
