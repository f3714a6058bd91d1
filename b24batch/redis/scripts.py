"""The scripts that run in Redis, where one reservation after the other is made, by the clock of the server.

The hash of a bucket has two fields, both in seconds of Unix time: ``empty``, when the bucket will be empty (the generic
cell rate algorithm), and ``seen``, the last time that the server's clock showed. After a failover to a server whose
clock is behind, the bucket moves back by the difference, so that no caller waits for it.
"""

from __future__ import annotations

_READ = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local kept = redis.call('HMGET', KEYS[1], 'empty', 'seen')
local empty, seen = tonumber(kept[1] or '') or 0, tonumber(kept[2] or '') or 0
if seen > now then empty = empty - (seen - now) end
if not (empty > now) then empty = now end
local function keep()
    redis.call('HSET', KEYS[1], 'empty', string.format('%.17g', empty), 'seen', string.format('%.17g', now))
    redis.call('PEXPIRE', KEYS[1], math.ceil((empty - now) * 1000) + 60000)
end
"""

#: Returns the seconds until the next free slot, and takes it unless they are more than the third argument. The first
#: two are the seconds for one request, and those for a full bucket. Up to 0.1 ms are the rounding of large numbers.
RESERVE = f"""{_READ}
empty = empty + tonumber(ARGV[1])
local wait = empty - now - tonumber(ARGV[2])
if wait < 1e-4 then wait = 0 end
if wait <= tonumber(ARGV[3]) then keep() end
return string.format('%.17g', wait)
"""

#: Fills the bucket, so that it will be empty in as many seconds as the argument says, or later.
FILL = f"""{_READ}
local full = now + tonumber(ARGV[1])
if full > empty then empty = full end
keep()
return '0'
"""

#: Returns the seconds until the bucket will be empty.
READ = f"""{_READ}
return string.format('%.17g', empty - now)
"""
