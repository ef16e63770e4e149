"""One upload in Redis: its state, its numbered events, its lease, its cancel flag and its latest tick.

This is the truth of the Redis ledger. Two keys of one slot hold it, and each way in which they change is one script:
the pure functions of `server.upload.events` work out the next record here, and the script writes it if the upload is
still where it was when the record was worked out (`seq` and number of ticks) and the writer may write (its lease).
The same script appends to the log and publishes, so no notice is of something that did not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from server.upload.errors import LeaseLost, NotFound, StorageError, WrongState
from server.upload.events import Upload, decode, encode, message
from server.upload.ledger import EVENTS_KEPT, Lease, Renewal
from server.upload.lifecycle import Stage
from server.upload.redis_scripts import Call, RedisTime, Script, Scripts

EVENT, TICK = b"e", b"t"
"""What a published message begins with; the rest of it is the room's payload."""

_SEEN = """
local STATE, LOG = KEYS[1], KEYS[2]
local now = time_of(ARGV[1])

-- What every script answers: a verdict, the time, and the upload as it is.
local function answer(verdict)
  local fields = redis.call('HMGET', STATE, 'record', 'seq', 'token', 'expires', 'cancel', 'tick', 'ticks')
  return {verdict, exact(now), unpack(fields)}
end
"""

_LOOK = Script(_SEEN, "return answer('seen')")

_POSITION = Script("return redis.call('HGET', KEYS[1], 'seq')")

_REPLAY = Script(
    _SEEN,
    """
local events = redis.call('XRANGE', LOG, '(' .. ARGV[2] .. '-0', '+')
local bodies = {}
for place, event in ipairs(events) do bodies[place] = event[2][2] end
return {answer('seen'), bodies}
""",
)

_CREATE = Script(
    _SEEN,
    """
local deadline, record, body, channel = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
if redis.call('EXISTS', STATE) == 1 then return 'known already' end
if now > deadline then return 'too late' end  -- the indexes may have forgotten that it was announced
redis.call('HSET', STATE, 'record', record, 'seq', 1, 'stage', 'receiving')
redis.call('XADD', LOG, '1-0', 'body', body)
redis.call('PUBLISH', channel, 'e' .. body)
return 'created'
""",
)

_WRITE = Script(
    _SEEN,
    """
local guard, token, seq, ticks, cancel = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local record, next_seq, stage, body, channel, kept = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local idle, ttl, lease, seconds = ARGV[13] == '1', ARGV[14], ARGV[15], ARGV[16]

local is = redis.call('HMGET', STATE, 'seq', 'ticks', 'token', 'expires', 'cancel')
if not is[1] then return answer('missing') end
local holder, lapsed = is[3] or '', tonumber(is[4] or '0') <= now
if guard == 'free' and holder ~= '' then return answer('held') end
if guard == 'holder' and (holder ~= token or lapsed) then return answer('lost') end
if guard == 'lapsed' and (holder ~= token or not lapsed) then return answer('moved') end
-- A cancel asked for meanwhile must be seen by whoever ends the work, for with it the flag goes.
if guard ~= 'free' and idle and (is[5] or '') ~= cancel then return answer('moved') end
if is[1] ~= seq or (is[2] or '0') ~= ticks then return answer('moved') end

redis.call('HSET', STATE, 'record', record, 'seq', next_seq, 'stage', stage)
redis.call('HDEL', STATE, 'tick', 'ticks')
if idle then redis.call('HDEL', STATE, 'token', 'expires', 'cancel') end
if lease ~= '' then redis.call('HSET', STATE, 'token', lease, 'expires', exact(now + tonumber(seconds))) end
redis.call('XADD', LOG, 'MAXLEN', '=', kept, next_seq .. '-0', 'body', body)
if ttl == 'none' then
  redis.call('PERSIST', STATE)
  redis.call('PERSIST', LOG)
elseif ttl ~= '' then
  redis.call('EXPIRE', STATE, ttl)
  redis.call('EXPIRE', LOG, ttl)
end
redis.call('PUBLISH', channel, 'e' .. body)
return {'written', exact(now)}
""",
)

_TICK = Script(
    _SEEN,
    """
local token, seq, record, channel, body = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local is = redis.call('HMGET', STATE, 'token', 'expires', 'seq')
if is[1] ~= token or tonumber(is[2]) <= now or is[3] ~= seq then return -1 end
redis.call('HSET', STATE, 'tick', record)
redis.call('PUBLISH', channel, 't' .. body)
return redis.call('HINCRBY', STATE, 'ticks', 1)
""",
)

_LEASE = Script(
    _SEEN,
    """
local token, seconds, over = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local is = redis.call('HMGET', STATE, 'stage', 'token', 'expires')
if is[1] ~= 'receiving' then return answer('other stage') end
if not over and is[2] and tonumber(is[3]) > now then return answer('held') end
redis.call('HSET', STATE, 'token', token, 'expires', exact(now + seconds))
return answer('leased')
""",
)

_RENEW = Script(
    _SEEN,
    """
local token, seconds = ARGV[2], tonumber(ARGV[3])
local is = redis.call('HMGET', STATE, 'token', 'expires')
if is[1] ~= token or tonumber(is[2]) <= now then return answer('lost') end
redis.call('HSET', STATE, 'expires', exact(now + seconds))
return answer('renewed')
""",
)

_ASK_TO_CANCEL = Script(
    _SEEN,
    """
if not redis.call('HGET', STATE, 'token') then return answer('free') end
redis.call('HSET', STATE, 'cancel', '1')
return answer('asked')
""",
)

_FORGET = Script(
    _SEEN,
    """
if redis.call('HGET', STATE, 'seq') ~= ARGV[2] then return 0 end
return redis.call('DEL', STATE, LOG)
""",
)


class Guard(StrEnum):
    """Who may write: anybody while nobody holds the upload; its holder; whoever finds its lease lapsed."""

    FREE = "free"
    HOLDER = "holder"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Seen:
    """An upload as it was in Redis at `now`. `view` is `upload` with its latest tick folded in."""

    upload: Upload
    view: Upload
    ticks: int
    token: str
    expires_at: float
    cancel_requested: bool
    now: float

    @property
    def lapsed(self) -> bool:
        return bool(self.token) and self.expires_at <= self.now

    def check(self, guard: Guard, token: str) -> None:
        """Raises what a writer that may not write is told."""
        if guard is Guard.FREE and self.token:
            raise WrongState("Somebody works on the upload.")
        if guard is Guard.HOLDER and (self.token != token or self.lapsed):
            raise LeaseLost("The lease on the upload is gone.")


class RedisUploads:
    """Every upload's own keys. An upload that is not there raises `NotFound`.

    The keys of one that has ended go by themselves `keep_seconds` later, should nobody `forget` it.
    """

    def __init__(self, scripts: Scripts, time: RedisTime, *, namespace: str, keep_seconds: float) -> None:
        self._scripts = scripts
        self._time = time
        self._namespace = namespace
        self._keep = str(max(1, round(keep_seconds)))

    def keys(self, upload_id: str) -> tuple[str, str]:
        """The state and the log, in one slot."""
        return f"{self._namespace}:{{{upload_id}}}:state", f"{self._namespace}:{{{upload_id}}}:events"

    def channel(self, upload_id: str) -> str:
        """Where its notices are published."""
        return f"{self._namespace}:{{{upload_id}}}:notices"

    async def create(self, uploads: Sequence[Upload], *, deadline: float) -> None:
        """Record new uploads, each with event 1, but none after `deadline`."""
        calls = [
            self._call(_CREATE, upload.id, repr(deadline), encode(upload), _body(upload), self.channel(upload.id))
            for upload in uploads
        ]
        for verdict in await self._scripts.run_all(calls):
            if verdict != b"created":
                raise StorageError(f"The upload could not be created: {verdict.decode()}.")

    async def look(self, upload_id: str) -> Seen:
        return self._seen(await self._scripts.run(self._call(_LOOK, upload_id)))[1]

    async def look_at_all(self, upload_ids: Sequence[str]) -> list[Seen | None]:
        """Each upload as it is; None for one that is not there."""
        replies = await self._scripts.run_all([self._call(_LOOK, upload_id) for upload_id in upload_ids])
        return [self._seen(reply)[1] if reply[2] else None for reply in replies]

    async def positions(self, upload_ids: Sequence[str]) -> dict[str, int]:
        """The `seq` of each upload that is there."""
        replies = await self._scripts.run_all([self._call(_POSITION, upload_id) for upload_id in upload_ids])
        return {upload_id: int(seq) for upload_id, seq in zip(upload_ids, replies, strict=True) if seq is not None}

    async def replay(self, upload_id: str, since: int) -> tuple[Seen, list[bytes]]:
        """The upload and the bodies of its events after `since`, read together."""
        reply, bodies = await self._scripts.run(self._call(_REPLAY, upload_id, max(0, since)))
        return self._seen(reply)[1], bodies

    async def write(
        self, seen: Seen, upload: Upload, guard: Guard, *, pauses: bool = False, lease: str = "", seconds: float = 0.0
    ) -> tuple[bool, Seen]:
        """Make `upload`, worked out from `seen`, the record: whether that happened, and the upload as it is now.

        `lease` becomes its lease's token, for `seconds`; an older lease's expiry is not looked up. A stage that nobody
        works in ends the lease, and so does an event that `pauses` the upload.
        """
        idle = upload.state.terminal or upload.stage is Stage.QUEUED or pauses
        ttl = self._keep if upload.state.terminal else "none" if seen.upload.state.terminal else ""
        call = self._call(
            _WRITE,
            upload.id,
            guard.value,
            seen.token,
            seen.upload.seq,
            seen.ticks,
            "1" if seen.cancel_requested else "",
            encode(upload),
            upload.seq,
            upload.stage.value,
            _body(upload),
            self.channel(upload.id),
            EVENTS_KEPT,
            "1" if idle else "",
            ttl,
            lease,
            repr(seconds),
        )
        reply = await self._scripts.run(call)
        if reply[0] != b"written":
            return False, self._seen(reply)[1]
        now = float(reply[1])
        self._time.heard(now)
        token = lease or ("" if idle else seen.token)
        return True, replace(
            seen, upload=upload, view=upload, ticks=0, token=token, expires_at=now + seconds if lease else 0.0, now=now
        )

    def tick(self, view: Upload, token: str) -> Call:
        """The call that makes `view` the latest tick; it answers the number of ticks, or -1 when it came too late."""
        return self._call(_TICK, view.id, token, view.seq, encode(view), self.channel(view.id), _body(view))

    async def lease(self, upload_id: str, token: str, seconds: float, *, over: bool) -> Seen:
        """Lease an upload that is receiving; `WrongState` when it is not, or is leased and `over` does not say that
        this is no matter."""
        call = self._call(_LEASE, upload_id, token, repr(seconds), "1" if over else "")
        verdict, seen = self._seen(await self._scripts.run(call))
        if verdict == b"other stage":
            raise WrongState(f"The upload is {seen.upload.stage}; it takes no more bytes.")
        if verdict == b"held":
            raise WrongState("The file is arriving already.")
        return seen

    async def renew(self, lease: Lease, seconds: float) -> Renewal:
        reply = await self._scripts.run(self._call(_RENEW, lease.upload_id, lease.token, repr(seconds)))
        verdict, seen = self._seen(reply)
        if verdict == b"lost":
            raise LeaseLost("The lease on the upload is gone.")
        return Renewal(replace(lease, expires_at=seen.expires_at), seen.cancel_requested)

    async def ask_to_cancel(self, upload_id: str) -> tuple[bool, Seen]:
        """Set the cancel flag if somebody holds the upload: whether that is so, and the upload as it is now."""
        verdict, seen = self._seen(await self._scripts.run(self._call(_ASK_TO_CANCEL, upload_id)))
        return verdict == b"asked", seen

    async def forget(self, ended: Sequence[Seen]) -> list[bool]:
        """Delete uploads that are still as they were seen: which of them were."""
        calls = [self._call(_FORGET, seen.upload.id, seen.upload.seq) for seen in ended]
        return [bool(deleted) for deleted in await self._scripts.run_all(calls)]

    def _call(self, script: Script, upload_id: str, *args: str | bytes | int) -> Call:
        return Call(script, self.keys(upload_id), (self._time.given, *args))

    def _seen(self, reply: list[Any]) -> tuple[bytes, Seen]:
        verdict, now, record, seq, token, expires_at, cancel, tick, ticks = reply
        self._time.heard(float(now))
        if not seq:
            raise NotFound("There is no such upload.")
        upload = decode(record)
        seen = Seen(
            upload=upload,
            view=decode(tick) if tick else upload,
            ticks=int(ticks or 0),
            token=token.decode() if token else "",
            expires_at=float(expires_at or 0.0),
            cancel_requested=bool(cancel),
            now=float(now),
        )
        return verdict, seen


def _body(upload: Upload) -> bytes:
    return orjson.dumps(message(upload))
