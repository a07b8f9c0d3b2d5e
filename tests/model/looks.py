#!/usr/bin/env python3
"""What a look at a Swarm proves: load balancers, which no API shows, and released addresses. Rules 6 and 7 of
ARCHITECTURE.md, the claim protocol.

    looks.py ADDRESSES HOSTS SESSIONS [WORD ...]

One task, and a load balancer for each host, which holds its address in its own local space as long as it has it up.
The manager restarts; replays fail; it releases too much, and loses releases. A look takes time: it begins, is shown
what the manager's store has of tasks, asks the hosts, and ends with what it frees: what was stale or released when it
began and was not shown, if the same claim still stands. One look is enough.
Checked: no two have one address. Counted: refused replays.

rules taken out
    hosts     what hosts hold does not count as used
    every     hosts that do not answer hold nothing
    began     a look frees what was released since it began, too
    verified  a released address is free at once
found: what the rules as they are do not cover
    fallback  when nothing is free, a released address that could not be looked at is given all the same (rule 6)
    slow      a host is told of its load balancer's address, and has it up later
"""
import sys
from typing import NamedTuple

from search import put, search

A, HOSTS, SESSIONS, ON = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), set(sys.argv[4:])
TASK, USERS, NONE = HOSTS, HOSTS + 1, -1  # balancers come first, by host


class Look(NamedTuple):
    doubtful: frozenset  # when it began, less the claims that ended since
    used: frozenset  # so far
    waiting: int  # for so many hosts


class State(NamedTuple):
    session: int = 1
    store: tuple = (NONE,) * USERS  # the address of each, as it is committed
    memory: tuple = (NONE,) * USERS  # as the manager has it
    todo: int = 0  # to be replayed, a bit mask
    up: tuple = (NONE,) * HOSTS
    held: tuple = (None,) * A  # epoch, and whether it was released
    look: Look | None = None


def doubtful(state):
    return frozenset(a for a, claim in enumerate(state.held) if claim and (claim[0] < state.session or claim[1]))


def steps(state):
    found = []
    session, store, memory, todo, up, held, look = state

    def to(label, **k):
        after = state._replace(**k)
        if after.look:
            same = frozenset(a for a in after.look.doubtful if after.held[a] == held[a])
            after = after._replace(look=after.look._replace(doubtful=same))
        found.append((label, after))

    def released(a):
        return put(held, a, (held[a][0], True) if held[a] and "verified" not in ON else None)

    if session < SESSIONS:
        to("the manager restarts", session=session + 1, memory=(NONE,) * USERS, todo=(1 << USERS) - 1)
    for u in range(USERS):
        name = "the task" if u == TASK else f"{u}'s balancer"
        a, m = store[u], memory[u]
        mine = put(held, a, (session, False))
        may_claim = a >= 0 and (held[a] is None or held[a][0] < session or held[a][1])
        if todo >> u & 1:
            done = todo & ~(1 << u)
            if a == NONE:
                to(f"no replay of {name}", todo=done)
                continue
            to(f"the replay of {name} at {a} fails", todo=done)
            if may_claim:
                to(f"replays {name} at {a}", todo=done, held=mine, memory=put(memory, u, a))
            else:
                to(f"REFUSED: replays {name} at {a}", todo=done)
        if todo:
            continue
        if a == NONE and m == NONE:
            free = [b for b in range(A) if held[b] is None]
            if not free and "fallback" in ON:
                free = [b for b in range(A) if held[b][1]]
            for b in free:
                to(f"{name} is given {b}", held=put(held, b, (session, False)), memory=put(memory, u, b))
        if a == NONE and m >= 0:
            raised = put(up, u, m) if u != TASK and "slow" not in ON else up
            to(f"{name} is committed at {m}", store=put(store, u, m), up=raised)
            to(f"{name} is not committed, {m} is released", memory=put(memory, u, NONE), held=released(m))
        if a >= 0 and m == a:
            gone = dict(store=put(store, u, NONE), memory=put(memory, u, NONE))
            to(f"{name} goes, {a} is released", held=released(a), **gone)
            to(f"{name} goes, the release of {a} is lost", **gone)
            if held[a] == (session, False):
                to(f"{name} is released at {a} by mistake", held=released(a))
            elif may_claim:
                to(f"{name} is claimed at {a} again", held=mine)
    for h in range(HOSTS):
        if up[h] != store[h]:
            if up[h] >= 0:
                to(f"host {h} has its balancer down", up=put(up, h, NONE))
            else:
                to(f"host {h} has its balancer up at {store[h]}", up=put(up, h, store[h]))

    if look is None:
        if doubtful(state):
            to("a look begins", look=Look(doubtful(state), frozenset(store[TASK:]), HOSTS))
    elif look.waiting:
        h = HOSTS - look.waiting
        if "hosts" in ON:
            to("no host is asked", look=look._replace(waiting=0))
        else:
            to(f"host {h} tells", look=look._replace(used=look.used | {up[h]}, waiting=look.waiting - 1))
            if "every" in ON:
                to(f"host {h} is silent", look=look._replace(waiting=look.waiting - 1))
            else:
                to(f"host {h} is silent, nothing is freed", look=None)
    else:
        free = (doubtful(state) if "began" in ON else look.doubtful) - look.used
        left = tuple(None if a in free else claim for a, claim in enumerate(held))
        to(f"the look frees {sorted(free)}", held=left, look=None)
    return found


def wrong(state):
    used = [a for a in state.store if a >= 0]
    # What a host still has up is in use, whatever the store says.
    used += [a for h, a in enumerate(state.up) if a >= 0 and a != state.store[h]]
    return "two have one address" if len(used) != len(set(used)) else None


search(State(), steps, wrong)
