"""The Lua scripts of the Redis bus. Each runs as one step that no other client sees half done.

Whoever writes says by how many partitions it routes, and is refused when the bus has another number by now.
A list of records is passed as: limit, one total per stream, then (stream index, key, value, origin) per record.
"""

from __future__ import annotations

__all__ = ["COMMIT", "COUNT", "PUBLISH", "REPARTITION"]

_APPEND = """
local function another(number)
  local stored = redis.call('GET', KEYS[1])
  if stored and stored ~= number then return {'partitions', tonumber(stored)} end
  return nil
end
local function full(streams, at)
  local limit = tonumber(ARGV[at])
  for i = 1, #streams do
    local length = redis.call('XLEN', streams[i])
    local coming = tonumber(ARGV[at + i])
    if coming > 0 and length + coming > limit then return {'full', i - 1, length} end
  end
  return nil
end
local function append(streams, at)
  for i = at + 1 + #streams, #ARGV, 4 do
    redis.call('XADD', streams[tonumber(ARGV[i])], '*', 'k', ARGV[i + 1], 'v', ARGV[i + 2], 'o', ARGV[i + 3])
  end
end
"""

PUBLISH = (
    _APPEND
    + """
local refused = another(ARGV[1])
if refused then return refused end
local streams = {}
for i = 2, #KEYS do streams[i - 1] = KEYS[i] end
refused = full(streams, 2)
if refused then return refused end
append(streams, 2)
return {'ok'}
"""
)
"""KEYS: number of partitions, streams. ARGV: that number, the records. Answers {'ok'}, {'partitions', the stored one}
or {'full', index of the stream from 0, its length}."""

COMMIT = (
    _APPEND
    + """
local refused = another(ARGV[1])
if refused then return refused end
local stored = redis.call('HGET', KEYS[2], ARGV[2]) or '0-0'
if stored ~= ARGV[3] then return {'moved', stored} end
local counts = tonumber(ARGV[5])
local at = 6 + 2 * counts
local streams = {}
for i = 4, #KEYS do streams[i - 3] = KEYS[i] end
refused = full(streams, at)
if refused then return refused end
append(streams, at)
for i = 6, at - 1, 2 do redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
return {'ok'}
"""
)
"""KEYS: number of partitions, positions, counters, streams. ARGV: that number, field, expected, new position, number of
counters, (name, amount) each, the records. Answers {'ok'}, {'partitions', the stored one}, {'moved', stored position}
or {'full', index of the stream from 0, its length}."""

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
