#!/usr/bin/env python3
"""The claim rules for an exclusive space, checked exhaustively against a model of Swarm (ARCHITECTURE.md, the claim protocol).

    claims.py TASKS ADDRESSES SESSIONS [RULE]

explores every interleaving of two managers (either may lead, be deposed without noticing, restart, or have its
plugin re-enabled), TASKS tasks, ADDRESSES addresses, at most SESSIONS sessions, and two releases in flight that may
arrive arbitrarily late or never. Checked in every state: no two committed tasks share an address, and the address
of a committed task is held. Counted: replays that were refused (each would break a running task).

With RULE, one rule is taken out, and a counterexample must appear:
    adopt      an explicit claim of an address from an earlier epoch is refused
    fence      a release may end a claim of a later epoch than its pool id's
    claim      a release does not name the claim (log index) that it ends
    evidence   any manager's evidence counts, not only that of the holder of the pool's epoch
"""
import sys

from search import put, search

TASKS, ADDRESSES, SESSIONS = (int(x) for x in sys.argv[1:4]) if len(sys.argv) > 3 else (2, 2, 2)
WITHOUT = sys.argv[4] if len(sys.argv) > 4 else None
IN_FLIGHT = 2

# A state: store (address of each committed task, or -1), leader, sessions opened, the pool's epoch, the epoch under
# which each address is held (0: free), the managers, the releases in flight.
# A manager: believes it leads, its session, the epoch in its pool id (0: none yet), tasks replayed (bit mask), the
# address it has in memory for each task (-1: none).
# A release in flight: epoch of the pool id, address, whether the claim it names still stands.
IDLE = (False, 0, 0, 0, (-1,) * TASKS)
START = ((-1,) * TASKS, -1, 0, 0, (0,) * ADDRESSES, (IDLE, IDLE), ())


def may_claim(held_under, epoch):
    return held_under == 0 or (held_under < epoch and WITHOUT != "adopt")


def may_end(held_under, epoch):
    return held_under != 0 and (held_under <= epoch or WITHOUT == "fence")


def steps(state):
    store, leader, opened, pool_epoch, held, managers, releases = state
    found = []

    def to(label, store=store, leader=leader, opened=opened, pool_epoch=pool_epoch, held=held,
           managers=managers, releases=releases):
        before = state[4]
        releases = tuple(sorted((e, a, stands and held[a] == before[a]) for e, a, stands in releases))
        found.append((label, (store, leader, opened, pool_epoch, held, managers, releases)))

    for i, (leads, session, epoch, replayed, memory) in enumerate(managers):
        def me(leads=leads, session=session, epoch=epoch, replayed=replayed, memory=memory):
            return put(managers, i, (leads, session, epoch, replayed, memory))

        def release(address):  # the front-end resolves the claim when the engine's request arrives
            stands = WITHOUT == "claim" or may_end(held[address], epoch)
            return releases + ((epoch, address, stands),)

        if opened < SESSIONS:
            fresh = dict(leads=True, session=opened + 1, epoch=0, replayed=0, memory=(-1,) * TASKS)
            to(f"{i} restarts as leader" if leader == i else f"{i} is elected", leader=i, opened=opened + 1,
               managers=me(**fresh))
            if leads:
                to(f"{i}: plugin re-enabled", opened=opened + 1, managers=me(session=opened + 1))
        if leads and leader != i:
            to(f"{i} notices that it was deposed", managers=put(managers, i, IDLE))
        if not leads:
            continue
        if epoch == 0:
            if pool_epoch < session:
                to(f"{i} claims the pool", pool_epoch=session, managers=me(epoch=session))
            continue
        for t in range(TASKS):
            if replayed >> t & 1:
                continue
            done = replayed | 1 << t
            if leader == i and store[t] >= 0:
                a = store[t]
                if may_claim(held[a], epoch):
                    to(f"{i} replays task {t} at {a}", held=put(held, a, epoch),
                       managers=me(replayed=done, memory=put(memory, t, a)))
                else:
                    to(f"REFUSED: {i} replays task {t} at {a}", managers=me(replayed=done))
                to(f"{i} fails to replay task {t}", managers=me(replayed=done))
            else:
                to(f"{i} has nothing to replay for task {t}", managers=me(replayed=done))
        if replayed != (1 << TASKS) - 1:
            continue
        for t in range(TASKS):
            a = memory[t]
            dropped = me(memory=put(memory, t, -1))
            if a < 0 and store[t] < 0:
                for free in range(ADDRESSES):
                    if held[free] == 0:
                        given = put(held, free, epoch)
                        to(f"{i} is given {free} for task {t}", held=given, managers=me(memory=put(memory, t, free)))
                        to(f"{i} is given {free}, and never hears of it", held=given)
            if a >= 0 and store[t] < 0:
                if leader == i:
                    to(f"{i} commits task {t} at {a}", store=put(store, t, a))
                if len(releases) < IN_FLIGHT:
                    to(f"{i} rolls task {t} back, releasing {a}", managers=dropped, releases=release(a))
            if leader == i and a >= 0 and store[t] == a:
                gone = put(store, t, -1)
                to(f"{i} removes task {t}, release of {a} lost", store=gone, managers=dropped)
                if len(releases) < IN_FLIGHT:
                    to(f"{i} removes task {t}, releasing {a}", store=gone, managers=dropped, releases=release(a))

    for k, (epoch, a, stands) in enumerate(releases):
        rest = releases[:k] + releases[k + 1:]
        ends = stands and may_end(held[a], epoch) if WITHOUT != "claim" else may_end(held[a], epoch)
        to(f"release of {a} under epoch {epoch} arrives" + ("" if ends else ", changes nothing"),
           held=put(held, a, 0) if ends else held, releases=rest)

    if leader >= 0:
        _, _, epoch, _, memory = managers[leader]
        if epoch and (epoch == pool_epoch or WITHOUT == "evidence"):
            for a in range(ADDRESSES):
                if held[a] and a not in store and a not in memory:
                    to(f"evidence of {leader} frees {a}", held=put(held, a, 0))
    return found


def wrong(state):
    store, held = state[0], state[4]
    used = [a for a in store if a >= 0]
    if len(used) != len(set(used)):
        return "two committed tasks share an address"
    return next((f"address {a} of a committed task is free" for a in used if held[a] == 0), None)


search(START, steps, wrong)
