"""The Lua scripts of the Redis bus. Each runs as one step that no other client sees half done.

A list of records is passed as: limit, one total per stream, then (stream index, key, value, origin) per record.
"""

from __future__ import annotations

__all__ = ["COMMIT", "COUNT", "PUBLISH"]

_APPEND = """
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
local refused = full(KEYS, 1)
if refused then return refused end
append(KEYS, 1)
return {'ok'}
"""
)
"""KEYS: streams. ARGV: the records. Answers {'ok'} or {'full', index of the stream from 0, its length}."""

COMMIT = (
    _APPEND
    + """
local stored = redis.call('HGET', KEYS[1], ARGV[1]) or '0-0'
if stored ~= ARGV[2] then return {'moved', stored} end
local counts = tonumber(ARGV[4])
local at = 5 + 2 * counts
local streams = {}
for i = 3, #KEYS do streams[i - 2] = KEYS[i] end
local refused = full(streams, at)
if refused then return refused end
append(streams, at)
for i = 5, at - 1, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return {'ok'}
"""
)
"""KEYS: positions, counters, streams. ARGV: field, expected, new position, number of counters, (name, amount) each,
the records. Answers {'ok'}, {'moved', stored position} or {'full', index of the stream from 0, its length}."""

COUNT = """
local found = redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
if #found == 0 then return {0, ''} end
return {#found, found[#found][1]}
"""
"""KEYS: stream. ARGV: XRANGE or XREVRANGE, its two ends, a limit. Answers {how many, the last one's id}."""
