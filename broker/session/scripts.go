package session

import "github.com/redis/rueidis"

// The scripts work on one member's sorted set, of leases by the time (ms, the server's
// clock) at which they end. A lease is named "instance/practice", the practice as it was
// written. Each script touches one key, so that they work in a cluster; that they run as
// one makes exactly one caller the last.
var (
	// scriptJoin grants the lease ARGV[1] for ARGV[2] ms, and keeps the set for ARGV[4] ms. It
	// returns 1 if a lease stands that does not begin with ARGV[3]. It first writes what a server
	// without memory lets through (ZREM): behind that it lets the other writes of a script
	// through, too, and who is here is not logged out for want of memory.
	scriptJoin = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases, others = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), 0
for i = 1, #leases, 2 do
	if string.sub(leases[i], 1, #ARGV[3]) ~= ARGV[3] and tonumber(leases[i + 1]) > now then others = 1 end
end
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return others`)

	// scriptClaim ends the leases of the instance ARGV[1] and returns 0 if another
	// instance has one. If none has, it leaves the instance one, ARGV[3] for ARGV[4] ms,
	// and returns 1: the instance that ends that one is the last. It returns 2 and changes nothing
	// if it cannot tell, because the instance has had none and ARGV[2] is not "sure".
	scriptClaim = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases, own, others, sure = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), {}, false, ARGV[2] == 'sure'
for i = 1, #leases, 2 do
	local stands = tonumber(leases[i + 1]) > now
	if string.sub(leases[i], 1, #ARGV[1]) == ARGV[1] then
		own[#own + 1] = leases[i]
		sure = sure or stands
	else
		others = others or stands
	end
end
if others then
	for _, lease in ipairs(own) do redis.call('ZREM', KEYS[1], lease) end
	return 0
end
if not sure then return 2 end
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[3])
return 1`)

	// scriptLeave ends the leases whose names begin with ARGV[1], and those whose time
	// is over. It returns 1 if no other is left.
	scriptLeave = rueidis.NewLuaScript(endLeases + `
return redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0`)

	// scriptTake ends the leases whose time is over. If no other is left, it grants
	// one that begins with ARGV[2] for ARGV[3] ms, and returns the practice of the one
	// that ended last. It returns a number if one stands, and nothing if there was none.
	scriptTake = rueidis.NewLuaScript(endLeases + `
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
if not last then return false end
local practice = string.match(last, '/(.*)$') or ''
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2] .. practice)
return practice`)
)

// endLeases is how two scripts begin. An empty ARGV[1] matches no name.
const endLeases = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local leases, last = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), nil
for i = 1, #leases, 2 do
	local own = ARGV[1] ~= '' and string.sub(leases[i], 1, #ARGV[1]) == ARGV[1]
	if own or tonumber(leases[i + 1]) <= now then
		redis.call('ZREM', KEYS[1], leases[i])
		last = leases[i]
	end
end`

// mark is how two scripts on the key of an event begin. It is what stands there.
const mark = `
local value = redis.pcall('GET', KEYS[1])
local mark = type(value) == 'table' and 'no string' or value and redis.sha1hex(value) or ''
`

// Scripts on the key of an event, short enough to be sent with each call.
const (
	scriptMark   = mark + `return mark`
	scriptRemove = mark + `if mark ~= '' and mark == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0`

	// scriptSetUnlessNewer writes the event ARGV[1] of the time ARGV[2], for ARGV[3] ms if
	// there is one.
	scriptSetUnlessNewer = `
local value = redis.pcall('GET', KEYS[1])
local ok, event = pcall(cjson.decode, value)
if ok and type(event) == 'table' and (tonumber(event.timestamp) or 0) > tonumber(ARGV[2]) then return 0 end
if ARGV[3] then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) else redis.call('SET', KEYS[1], ARGV[1]) end
return 1`
)
