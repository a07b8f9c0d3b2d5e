#!/usr/bin/env python3
"""Sub-pools of one prefix in an exclusive space: two networks, each with its own, over common addresses. Rule 3 of
ARCHITECTURE.md, the claim protocol.

    subpools.py ADDRESSES SESSIONS [WORD ...]

Each network has at most one task. The manager restarts, replays fail, releases come late, come twice or are lost. The
front-end resolves a release when it comes, by the pool id and the address. A user may choose a task's address, but none
that the store shows on the same network (claims_attacked.py, RU). Evidence sees the store only, and frees stale claims,
and pools that are suspect or of an earlier session.
Checked: no two committed tasks share an address, each has its claim under its own pool, the pool of a committed network
is held. Counted: refused replays.

rules taken out
    adopt    a pool adopts what is stale of another pool's
    release  a release through a pool ends another pool's claim
    drop     a pool that goes takes the whole prefix along
"""
import sys
from typing import NamedTuple

from search import put, search

A, SESSIONS, ON = int(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])
POOLS, NONE = range(2), -1


class Claim(NamedTuple):
    pool: int
    epoch: int


class Network(NamedTuple):
    """A network and its task, in the store and in the manager's memory."""
    stored: bool = False
    task: int = NONE
    known: int = 0  # the epoch of the pool id that the manager has; 0: none
    memory: int = NONE  # where it has the task
    todo: bool = False  # the task is to be replayed


class State(NamedTuple):
    session: int = 1
    networks: tuple = (Network(), Network())
    pools: tuple = (None, None)  # epoch, and whether it is suspect
    held: tuple = (None,) * A
    late: tuple | None = None  # a release on its way: pool and address


def is_stale(state, claim):
    return claim.epoch < state.pools[claim.pool][0]


def without_pool(state, p):
    """The state once the pool is released: with a stale claim left it is suspect."""
    if any(claim and claim.pool == p and is_stale(state, claim) for claim in state.held):
        return state._replace(pools=put(state.pools, p, (state.pools[p][0], True)))
    return freed(state, p)


def freed(state, p):
    if "drop" in ON:
        return state._replace(pools=(None, None), held=(None,) * A)
    held = tuple(None if claim and claim.pool == p else claim for claim in state.held)
    return state._replace(pools=put(state.pools, p, None), held=held)


def released(state, p, a):
    claim = state.held[a]
    ends = claim and (claim.pool == p or "release" in ON)
    return state._replace(held=put(state.held, a, None)) if ends else state


def steps(state):
    found = []
    session, networks, pools, held, late = state

    def to(label, after=state, p=None, **k):
        if p is not None:
            after = after._replace(networks=put(after.networks, p, after.networks[p]._replace(**k)))
        found.append((label, after))

    if session < SESSIONS:
        fresh = tuple(n._replace(known=0, memory=NONE, todo=n.task >= 0) for n in networks)
        to("the manager restarts", state._replace(session=session + 1, networks=fresh))
    if late:
        to(f"the release of {late[1]} through pool {late[0]} comes", released(state, *late)._replace(late=None))
    for p, n in enumerate(networks):
        pool = pools[p]
        if not n.known:
            if pool is None or pool[0] < session or pool[1]:
                claimed = state._replace(pools=put(pools, p, (session, False)))
                to(f"{'replays' if n.stored else 'makes'} network {p}", claimed, p, known=session)
            elif n.stored:
                to(f"REFUSED: replays network {p}")
            continue
        if not n.stored:
            to(f"commits network {p}", state, p, stored=True)
        if n.todo:
            claim, mine = held[n.task], put(held, n.task, Claim(p, session))
            to(f"fails to replay {p}'s task", state, p, todo=False)
            if not claim or (claim.pool == p and is_stale(state, claim)):
                to(f"replays {p}'s task at {n.task}", state._replace(held=mine), p, todo=False, memory=n.task)
            else:
                to(f"REFUSED: replays {p}'s task at {n.task}", state, p, todo=False)
        if any(m.todo or (m.stored and not m.known) for m in networks):
            continue  # it asks for nothing new before it has replayed all
        if n.task == NONE and n.memory == NONE and not (late and late[0] == p):
            for a, claim in enumerate(held):
                mine = state._replace(held=put(held, a, Claim(p, session)))
                if not claim:
                    to(f"{p}'s task is given {a}", mine, p, memory=a)
                    to(f"{p}'s task is given {a}, unheard", mine)
                elif is_stale(state, claim) and (claim.pool == p or "adopt" in ON):
                    to(f"{p}'s task is given {a}, which its user chose", mine, p, memory=a)
        if n.task == NONE and n.memory >= 0 and n.stored:
            to(f"commits {p}'s task at {n.memory}", state, p, task=n.memory)
        if n.memory >= 0:
            a, gone = n.memory, dict(task=NONE, memory=NONE)
            to(f"{p}'s task goes, {a} is released", released(state, p, a), p, **gone)
            to(f"{p}'s task goes, the release of {a} is lost", state, p, **gone)
            if not late:
                to(f"{p}'s task goes, the release of {a} is late", state._replace(late=(p, a)), p, **gone)
                to(f"{p}'s task goes, {a} is released, and will be again", released(state, p, a)._replace(late=(p, a)),
                   p, **gone)
        elif n.task >= 0 and not n.todo:
            to(f"{p}'s task goes, which was not replayed", state, p, task=NONE)
        elif n.task == NONE and n.stored:
            to(f"network {p} goes", without_pool(state, p), p, stored=False, known=0)
            to(f"network {p} goes, its release is lost", state, p, stored=False, known=0)
        if n.stored and n.known == (pool or (0,))[0]:
            for a, claim in enumerate(held):
                if claim and claim.pool == p and a != n.task and is_stale(state, claim):
                    to(f"evidence frees {a} of pool {p}", state._replace(held=put(held, a, None)))
    for p in POOLS:
        if pools[p] and (pools[p][1] or pools[p][0] < session) and not networks[p].stored:
            to(f"evidence frees pool {p}", freed(state, p))
    return found


def wrong(state):
    tasks = [n.task for n in state.networks]
    if tasks[0] == tasks[1] != NONE:
        return "two committed tasks share an address"
    for p, n in enumerate(state.networks):
        if n.stored and state.pools[p] is None:
            return "the pool of a committed network is free"
        if n.task >= 0 and (state.held[n.task] is None or state.held[n.task].pool != p):
            return f"address {n.task} of a committed task is not its pool's"


search(State(), steps, wrong)
