#!/usr/bin/env python3
"""A space after a restore: networks and containers live on that were made after the backup. Rule 12 of
ARCHITECTURE.md, the claim protocol.

    restored.py exclusive PREFIXES SESSIONS [WORD ...]
    restored.py shared ADDRESSES SESSIONS [WORD ...]

Exclusive: one Swarm, whose networks have pools that its user names, or automatic ones, the lowest prefix that is free.
A pool has one address, for the network's one task. A manager comes to lead and replays each network with its task; a
plugin is enabled again, which begins a session without a replay; networks and tasks come and go; a backup is taken at
any time, and restored at any later one, in the midst of a replay too; the operator says that all is known once the
manager that leads has replayed all since the restore. Checked: no two tasks have one address.

Shared: two hosts with one network each on one segment, and a container on each. Engines start again and replay their
pool and their container; a backup, as above; the operator says that all is known once both engines have replayed since
the restore. Checked: no two containers have one address.

rules taken out
    pool     a restored pool gives addresses before it was claimed again
    new      a pool that is new to a restored space gives addresses at once
    adopted  it does so once it was adopted
    space    a restored space gives automatic pools
    session  a restored space gives automatic pools to sessions that were opened since
    hosts    a shared pool gives addresses as soon as one host has claimed it again
found: what the rules as they are do not cover
    word     the operator says so too early
"""
import sys
from typing import NamedTuple

from search import put, search

KIND, SIZE, SESSIONS, ON = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), set(sys.argv[4:])
NETS, HOSTS, NONE = 2, 2, -1
NO, RESTORED, NEW = range(3)  # behind
TWICE = "two have one address"


class Pool(NamedTuple):
    epoch: int
    behind: int
    task: int  # the epoch of the claim on its address; 0: free


class Swarm(NamedTuple):
    session: int = 0  # the latest, and that of the manager that leads
    pools: tuple = (None,) * SIZE
    backup: tuple | None = None  # pools, and the latest session
    restored: int = 0  # the latest session before it; 0: it is not
    behind: bool = False
    lost: frozenset = frozenset()  # sessions that the restored state does not know
    store: tuple = (NONE,) * NETS  # the prefix of each network
    tasks: tuple = (False,) * NETS
    ids: tuple = (0,) * NETS  # the epoch in the pool id, by network; 0: not replayed yet
    replayed: tuple = (False,) * NETS  # the task's replay is over


def swarm_steps(state):
    found = []
    session, pools, backup, restored, behind, lost, store, tasks, ids, replayed = state

    def to(label, **k):
        found.append((label, state._replace(**k)))

    if session < SESSIONS:
        to("a manager comes to lead", session=session + 1, ids=(0,) * NETS, replayed=(False,) * NETS)
        to("a plugin is enabled again", session=session + 1)
    if backup is None and session:
        to("a backup is taken", backup=(pools, session))
    if backup and not restored:
        old, latest = backup
        kept = tuple(p and p._replace(behind=NO if "pool" in ON else RESTORED) for p in old)
        lost = frozenset(range(latest + 1, session + 1))
        to("the backup is restored", pools=kept, restored=session, behind=True, lost=lost)
        lost = state.lost
    if not session or session in lost:
        return found
    all_known = all(p == NONE or (ids[n] > restored and replayed[n]) for n, p in enumerate(store))
    if behind and ("word" in ON or all_known):
        known = tuple(p and p._replace(behind=NO) for p in pools)
        to("the operator says that all is known", behind=False, pools=known)
    all_replayed = all(store[n] == NONE or ids[n] for n in range(NETS))
    for n in range(NETS):
        p = store[n]
        if p == NONE and all_replayed:
            free = [q for q in range(SIZE) if pools[q] is None]
            anew = Pool(session, NEW if behind and "new" not in ON else NO, 0)
            given = dict(ids=put(ids, n, session), replayed=put(replayed, n, True))
            for q in free:
                to(f"network {n} is to have {q}", pools=put(pools, q, anew), store=put(store, n, q), **given)
            if free and (not behind or "space" in ON or ("session" in ON and session > restored)):
                q = free[0]
                anew = anew._replace(behind=NO)
                to(f"network {n} is given {q}", pools=put(pools, q, anew), store=put(store, n, q), **given)
        if p == NONE:
            continue
        pool = pools[p]
        if not ids[n]:
            if pool is None or pool.epoch < session:
                anew = NEW if behind and "new" not in ON else NO
                stays = NEW if pool and pool.behind == NEW and "adopted" not in ON else NO
                after = Pool(session, stays, pool.task) if pool else Pool(session, anew, 0)
                to(f"network {n} replays {p}", pools=put(pools, p, after), ids=put(ids, n, session))
            continue
        if pool is None or pool.epoch < ids[n]:
            continue  # "no such pool"
        if not replayed[n]:
            done = put(replayed, n, True)
            if not tasks[n]:
                to(f"network {n} has no task", replayed=done)
            elif not pool.task or pool.task < ids[n]:
                mine = put(pools, p, pool._replace(task=ids[n]))
                to(f"the task of {n} replays its address", pools=mine, replayed=done)
            continue
        if tasks[n]:
            freed = pool._replace(task=0) if pool.task and pool.task <= ids[n] else pool
            to(f"the task of {n} goes", tasks=put(tasks, n, False), pools=put(pools, p, freed))
        elif not pool.task and not pool.behind:
            to(f"the task of {n} is given its address", tasks=put(tasks, n, True),
               pools=put(pools, p, pool._replace(task=ids[n])))
        if not tasks[n] and pool.epoch <= ids[n] and not pool.task:
            to(f"network {n} goes", store=put(store, n, NONE), pools=put(pools, p, None), ids=put(ids, n, 0))
    return found


def swarm_wrong(state):
    used = [state.store[n] for n in range(NETS) if state.tasks[n]]
    return TWICE if len(used) != len(set(used)) else None


class Segment(NamedTuple):
    sessions: tuple = (0,) * HOSTS
    opened: int = 0
    holders: tuple = (0,) * HOSTS  # the epoch of each host's hold on the pool
    behind: bool = False
    claims: tuple = (None,) * SIZE  # host and epoch
    backup: tuple | None = None
    restored: int = 0  # sessions opened before it; 0: it is not
    space_behind: bool = False
    lost: frozenset = frozenset()
    containers: tuple = (NONE,) * HOSTS
    due: tuple = (False,) * HOSTS  # a container's replay


def segment_steps(state):
    found = []
    sessions, opened, holders, behind, claims, backup, restored, space_behind, lost, containers, due = state

    def to(label, **k):
        found.append((label, state._replace(**k)))

    for h in range(HOSTS):
        mine = sessions[h]
        if opened < SESSIONS:
            to(f"engine {h} starts", opened=opened + 1, sessions=put(sessions, h, opened + 1),
               due=put(due, h, containers[h] != NONE))
        if not mine or mine in lost:
            continue
        if holders[h] < mine:
            anew = not any(holders)
            now_behind = (space_behind and "new" not in ON) if anew else behind and "hosts" not in ON
            to(f"host {h} claims the pool", holders=put(holders, h, mine), behind=now_behind)
            continue
        at = containers[h]
        if due[h]:
            holder = claims[at]
            if holder is None or (holder[0] == h and holder[1] < mine):
                to(f"host {h} replays {at}", claims=put(claims, at, (h, mine)), due=put(due, h, False))
            else:
                to(f"host {h} fails to replay {at}", due=put(due, h, False), containers=put(containers, h, NONE))
        elif at != NONE:
            freed = put(claims, at, None) if claims[at] and claims[at][0] == h else claims
            to(f"the container of {h} goes", containers=put(containers, h, NONE), claims=freed)
        elif not behind:
            for a in (a for a in range(SIZE) if claims[a] is None):
                to(f"host {h} is given {a}", claims=put(claims, a, (h, mine)), containers=put(containers, h, a))
    if backup is None and opened:
        to("a backup is taken", backup=(holders, claims, opened))
    elif backup and not restored:
        held, claimed, latest = backup
        to("the backup is restored", holders=held, claims=claimed, behind=any(held) and "pool" not in ON,
           restored=opened, space_behind=True, lost=frozenset(range(latest + 1, opened + 1)))
    elif space_behind and ("word" in ON or (min(sessions) > restored and holders == sessions and not any(due))):
        to("the operator says that all is known", behind=False, space_behind=False)
    return found


def segment_wrong(state):
    used = [a for a in state.containers if a != NONE]
    return TWICE if len(used) != len(set(used)) else None


if KIND == "exclusive":
    search(Swarm(), swarm_steps, swarm_wrong)
else:
    search(Segment(), segment_steps, segment_wrong)
