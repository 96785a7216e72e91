"""What Redis does for the throttle, each in one step: nothing comes between the look at a limit and the taking of it.

A server has one hash. The clock is Redis's own; ``ARGV.now`` stands in for it where a test plays one. A second is held exactly: what was
given in cells of 20 ms is added up over the last second, and a bucket of a quarter of a second keeps it even. A minute is a bucket of one
second's worth, filled so slowly that no sixty seconds get more than the limit. Nothing is given until half a bucket is there: a slice of one
mail costs the database as much as one of many.
"""

from __future__ import annotations

_COMMON = """
local state, argv = KEYS[1], cjson.decode(ARGV[1])
local now = argv.now
if not now then local t = redis.call('TIME'); now = tonumber(t[1]) + tonumber(t[2]) / 1e6 end
local function get(name) return tonumber(redis.call('HGET', state, name)) end
local function put(name, value)
  redis.call('HSET', state, name, type(value) == 'number' and string.format('%.17g', value) or value)
end
local function bucket(name, limit, seconds, cap)
  local rate = seconds == 1 and limit or (limit - cap + 1) / seconds
  local tokens, at = get(name .. '_tokens') or 0, get(name .. '_at') or now
  if get(name .. '_limit') ~= limit then tokens, at = 0, now end
  if at > now then at = now end
  return math.min(cap, tokens + (now - at) * rate), rate
end
local function fill(name, limit, tokens) put(name .. '_tokens', tokens); put(name .. '_at', now); put(name .. '_limit', limit) end
local second_cap = argv.second and math.max(1, math.floor(argv.second / 4))
local minute_cap = argv.minute and math.max(1, math.floor(argv.minute / 60))
"""

# argv: wanted; second, minute, hour, day, emails, pause: limits, left out where there are none; settle, late: seconds; known: what the
# database says {hour, day, recent}, left out on the first call. Returns granted, seconds to wait, the limit that decides, ticket (JSON);
# granted -1: ask again with ``known``.
TAKE = _COMMON + """
local room, wait, why = argv.wanted, 0, ''
local function worth(tokens, least) return tokens >= least and math.floor(tokens) or 0 end
local function limit(free, until_free, name)
  if free < room then room = math.max(0, free); why = name end
  if free < 1 and until_free > wait then wait, why = until_free, name end
end
if not get('known') then
  if not argv.known then return {-1, '0', '', ''} end
  put('known', 1)
  if argv.known.recent > 0 then
    put('lost_until', now + argv.settle)
    if argv.emails then put('load_used', argv.emails); put('load_until', now + argv.pause) end
  end
end
local lost = (get('lost_until') or 0) - now
if lost > 0 then limit(0, lost, 'lost') end
local windows = {hour = math.floor(now / 3600), day = math.floor(now / 86400)}
local lengths = {hour = 3600, day = 86400}
for name, window in pairs(windows) do
  if argv[name] and lost <= 0 then
    if get(name) ~= window then
      if not argv.known then return {-1, '0', '', ''} end
      put(name, window); put(name .. '_used', argv.known[name])
    end
    limit(argv[name] - get(name .. '_used'), (window + 1) * lengths[name] - now, name)
  end
end
local second, minute, rate, cells, cell, gone = nil, nil, nil, {}, math.floor(now * 50), 0
if argv.second then
  second, rate = bucket('second', argv.second, 1, second_cap)
  for at, given in string.gmatch(redis.call('HGET', state, 'cells') or '', '(%d+):(%d+)') do
    at, given = tonumber(at), tonumber(given)
    if at > cell - 51 and at <= cell then cells[#cells + 1] = {at, given}; gone = gone + given end
  end
  local least = math.min(math.max(room, 1), math.max(1, math.floor(second_cap / 2)))
  limit(worth(second, least), (least - second) / rate, 'second')
  limit(worth(argv.second - gone, least), cells[1] and (cells[1][1] + 51) / 50 - now or 0, 'second')
end
if argv.minute then
  minute, rate = bucket('minute', argv.minute, 60, minute_cap)
  local least = math.min(math.max(room, 1), math.max(1, math.floor(minute_cap / 2)))
  limit(worth(minute, least), (least - minute) / rate, 'minute')
end
local round = get('load_round') or 0
if argv.emails then
  local ends = get('load_until') or 0
  if ends > 0 and now >= ends then
    round, ends = round + 1, 0
    put('load_round', round); put('load_used', 0); put('load_out', 0); put('load_until', 0)
  end
  if ends > 0 then limit(0, ends - now, 'load') else
    local left = argv.emails - (get('load_used') or 0)
    if left <= 0 then put('load_until', now + argv.pause); limit(0, argv.pause, 'load') else limit(left, 0, 'load') end
  end
end
if argv.second then
  if cells[#cells] and cells[#cells][1] == cell then cells[#cells][2] = cells[#cells][2] + room
  elseif room > 0 then cells[#cells + 1] = {cell, room} end
  local said = {}
  for index, pair in ipairs(cells) do said[index] = string.format('%d:%d', pair[1], pair[2]) end
  put('cells', table.concat(said, ' ')); fill('second', argv.second, second - room)
end
if argv.minute then fill('minute', argv.minute, minute - room) end
if room > 0 then
  for name, _ in pairs(windows) do if argv[name] then redis.call('HINCRBY', state, name .. '_used', room) end end
  if argv.emails then
    redis.call('HINCRBY', state, 'load_out', room)
    if redis.call('HINCRBY', state, 'load_used', room) >= argv.emails then put('load_until', now + argv.pause + argv.late) end
  end
end
if why ~= '' then
  if redis.call('HGET', state, 'held') ~= why or now - (get('held_at') or 0) > 15 then put('held_since', now) end
  put('held', why); put('held_at', now); put('held_until', now + wait)
end
redis.call('EXPIRE', state, 172800)
return {room, string.format('%.6f', wait), why, cjson.encode({hour = windows.hour, day = windows.day, round = round})}
"""

# argv: the limits as above; given: what was granted; unused: how much of it did not go; ticket: of the grant.
GIVE_BACK = _COMMON + """
if not get('known') then return 0 end
local unused = argv.unused
if unused > 0 then
  if argv.second then local tokens = bucket('second', argv.second, 1, second_cap); fill('second', argv.second, math.min(second_cap, tokens + unused)) end
  if argv.minute then local tokens = bucket('minute', argv.minute, 60, minute_cap); fill('minute', argv.minute, math.min(minute_cap, tokens + unused)) end
  for _, name in ipairs({'hour', 'day'}) do
    if argv[name] and get(name) == argv.ticket[name] then redis.call('HINCRBY', state, name .. '_used', -unused) end
  end
end
if argv.emails and (get('load_round') or 0) == argv.ticket.round then
  local out = redis.call('HINCRBY', state, 'load_out', -argv.given)
  local used = redis.call('HINCRBY', state, 'load_used', -unused)
  if used < argv.emails then put('load_until', 0) elseif out <= 0 then put('load_until', now + argv.pause) end
end
return 1
"""
