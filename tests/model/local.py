#!/usr/bin/env python3
"""A local space: one host's engine, whose processes come and go, and a second process at the same socket. Rules 1 and 8
of ARCHITECTURE.md, the claim protocol.

    local.py PROCESSES [WORD ...]

Two prefixes overlap, and both have the address at which a container may run. The engine keeps its networks on disk; its
process may die between a request and that, and its container lives on. A new process replays all networks that it
keeps, then its container, before it asks for anything. A pool of an earlier session gives way to an explicit request
that overlaps it; an explicit request for just its prefix adopts it.
Checked: no two networks overlap, no two containers share the address, the pool of a network is held. Counted: refused
replays.

behaviours
    guest     a second process asks at the socket while the engine lives and has replayed
    untold    which process asks cannot be told: each handshake begins a session, a plugin enabled again among them
rules taken out
    opens     the second process begins a session of its own
    gone      a pool gives way though the process that held it is not known to be gone
    replay    an engine asks for something new before its replay is done
found: what the rules as they are do not cover
    early     the second process asks before the engine's new process has replayed
    outlives  the second process, and what it has, outlives the engine's process under whose session it asked
    twice     where no process can be told: somebody wants a second network with the prefix of the first
"""
import sys
from typing import NamedTuple

from search import put, search

PROCESSES, ON = int(sys.argv[1]), set(sys.argv[2:])
ENGINE, GUEST, NOBODY = 0, 1, -1
PREFIXES = range(2)
UNTOLD, HANDSHAKE = (NOBODY, 0), (NOBODY, 1)  # who began a session; and that the next request begins one


class Asker(NamedTuple):
    lives: bool = False
    process: int = 0
    networks: tuple = (0, 0)  # by prefix, how many; the engine's are on its disk
    todo: tuple = (0, 0)  # to be replayed
    runs: int = NOBODY  # the prefix of the network on which its container runs
    known: bool = True  # its container was replayed


class State(NamedTuple):
    session: int = 0
    opener: tuple = HANDSHAKE  # the process that began it
    yields: bool = False
    pools: tuple = (None, None)  # by prefix: epoch, and whether it is suspect
    claim: tuple | None = None  # on the address: prefix and epoch
    askers: tuple = (Asker(), Asker())


def lives(state, process):
    who, number = process
    return who != NOBODY and state.askers[who].lives and state.askers[who].process == number


def spoken(state, who):
    """The state once `who` speaks under a session."""
    me = UNTOLD if "untold" in ON else (who, state.askers[who].process)
    if state.opener == me or (lives(state, state.opener) and "opens" not in ON):
        return state
    gone = state.opener[0] != NOBODY and not lives(state, state.opener)
    return state._replace(session=state.session + 1, opener=me, yields=gone or "gone" in ON)


def with_pool(state, prefix):
    """The state once this prefix is claimed; None: it is refused."""
    session, pool, other = state.session, state.pools[prefix], state.pools[1 - prefix]
    mine = put(state.pools, prefix, (session, False))
    if pool:
        return state._replace(pools=mine) if pool[0] < session or pool[1] else None
    if not other:
        return state._replace(pools=mine)
    if state.yields and other[0] < session:
        return state._replace(pools=put(mine, 1 - prefix, None), claim=None)
    return None


def without_pool(state, prefix):
    """The state once the pool is released: with a stale claim left it is suspect."""
    epoch, claim = state.pools[prefix][0], state.claim
    in_doubt = state.pools[prefix][1] or (claim and claim[1] < epoch)
    left = (epoch, True) if in_doubt else None
    return state._replace(pools=put(state.pools, prefix, left), claim=claim if in_doubt else None)


def steps(state):
    found = []
    engine = state.askers[ENGINE]
    for who, asker in enumerate(state.askers):
        name = ("the engine", "the second process")[who]

        def to(label, after, **k):
            askers = put(after.askers, who, after.askers[who]._replace(**k))
            if who == ENGINE and k.get("lives") is False and "outlives" not in ON:
                askers = put(askers, GUEST, Asker(process=askers[GUEST].process))
            refused, label = label.startswith("REFUSED"), label.replace("REFUSED: ", "")
            found.append(("REFUSED: " * refused + f"{name} {label}", after._replace(askers=askers)))

        handshake = state._replace(opener=HANDSHAKE) if "untold" in ON else state
        if not asker.lives:
            if asker.process < (PROCESSES if who == ENGINE else PROCESSES - 1 if "guest" in ON else 0):
                to("starts", handshake, lives=True, process=asker.process + 1, todo=asker.networks)
            continue
        dead = dict(lives=False, todo=(0, 0), known=asker.runs < 0)
        if who == ENGINE:
            to("dies", state, **dead)
            to("dies, and its container", state, **dict(dead, runs=NOBODY, known=True))
            if "untold" in ON and state.session < PROCESSES:
                to("has its plugin enabled again", handshake)
        else:
            to("ends, and all that it has", state, lives=False, networks=(0, 0), runs=NOBODY)
            replayed = engine.lives and engine.known and not any(engine.todo) and spoken(state, ENGINE) == state
            if not replayed and "early" not in ON:
                continue
        after = spoken(state, who)
        for n in PREFIXES:
            if asker.todo[n]:
                got = with_pool(after, n)
                to(("" if got else "REFUSED: ") + f"replays network {n}", got or after, todo=put(asker.todo, n, 0))
        if any(asker.todo) and "replay" not in ON:
            continue
        epoch = after.pools[asker.runs][0] if asker.runs >= 0 and after.pools[asker.runs] else 0
        if not asker.known and not any(asker.todo):
            if epoch and (not after.claim or (after.claim[0] == asker.runs and after.claim[1] < epoch)):
                to("replays its container", after._replace(claim=(asker.runs, epoch)), known=True)
            else:
                to("REFUSED: replays its container", after, known=True)
            continue
        for n in PREFIXES:
            has, got, pool = asker.networks[n], with_pool(after, n), after.pools[n]
            if got and (not has or ("twice" in ON and has == 1)):
                to(f"makes a network with prefix {n}", got, networks=put(asker.networks, n, has + 1))
                if who == ENGINE:
                    to(f"asks for prefix {n}, and dies before it keeps the network", got, **dead)
            if not has or not pool:
                continue
            if asker.runs != n and not asker.todo[n]:
                gone = put(asker.networks, n, has - 1)
                to(f"removes its network {n}", without_pool(after, n), networks=gone)
                to(f"removes its network {n}, release lost", after, networks=gone)
            if asker.runs < 0 and (not after.claim or (after.claim[0] == n and after.claim[1] < pool[0])):
                to(f"runs a container on {n}", after._replace(claim=(n, pool[0])), runs=n)
            if asker.runs == n:
                to("stops its container", after._replace(claim=None), runs=NOBODY)
                to("stops its container, release lost", after, runs=NOBODY)
    return found


def wrong(state):
    networks = [sum(asker.networks[n] for asker in state.askers) for n in PREFIXES]
    if sum(asker.runs >= 0 for asker in state.askers) > 1:
        return "two containers share the address"
    if sum(networks) > 1:
        return "two networks overlap"
    return next((f"the pool of network {n} is free" for n in PREFIXES if networks[n] and not state.pools[n]), None)


search(State(), steps, wrong)
