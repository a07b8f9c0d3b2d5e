#!/usr/bin/env python3
"""Pools of an exclusive space: two Swarm networks that want the same subnet, two managers, an outsider who takes any
range that is free, late releases. Rules 3, 6, 8 of ARCHITECTURE.md.

    pools.py SESSIONS [WORD ...]

Each network has one task, whose address is replayed after the network. A network's creation, its removal, its
re-creation with the same subnet, failed and unheard replays, rollbacks, and deposed managers are explored.
Checked: the pool of a committed network is never free nor the outsider's; two committed networks never have it at
once; the task of a committed network keeps its claim. Counted: refused replays of a committed network.

rules taken out    nofence  ReleasePool is not fenced by the epoch in the pool id
                   noclaim  ReleasePool does not name the claim that it ends
repairs            Q3  a pool of the current epoch that is suspect, or whose answer was unheard, is granted again
                   Q8  ReleasePool of an adopted pool, or of one with any claim left, makes a suspect; of an older
                       epoch than the pool's: nothing
                   Q8S every ReleasePool makes a suspect
                   QO  an engine's requests about one pool are done in the order of their arrival
                   Q7  evidence frees a suspect pool (any epoch) or one of an earlier epoch than the observer's session
behaviours         unheard  a pool request is applied, answered with an error, asked again
                   fail     a replay fails without reaching us
                   rollback a commit or gateway failure after the adoption releases the pool
                   blind    evidence does not see networks allocated but not committed
found              elsewhere  a plugin is enabled on a host that does not lead: that begins a later session than the
                   leader's, and evidence of that host counts
"""
import sys

from search import put, search

S, ON = int(sys.argv[1]), set(sys.argv[2:])
NETS = 2
LIVE, UNHEARD, SUSPECT, OUTSIDER = "live", "unheard", "suspect", "outsider"
# pool: None or (state, epoch, given | adopted, address: epoch of the task's claim or 0)
# manager: leads, session, pool id's epoch per network (0: none), replay done, stale store (None: live)
IDLE = (False, 0, (0,) * NETS, False, None)
START = ((False,) * NETS, (False,) * NETS, -1, 0, None, (IDLE, IDLE), ())


def claim(pool, s):
    """RequestPool with the subnet: the new pool, or 'refused'."""
    if pool is None:
        return (LIVE, s, "given", 0)
    state, e, _, addr = pool
    again = state in (SUSPECT, UNHEARD) if "Q3" in ON else state == SUSPECT
    if state != OUTSIDER and (e < s or (again and e == s)):
        return (LIVE, s, "adopted", addr)
    return "refused"


def released(pool, e):
    """ReleasePool under an id of epoch e."""
    if pool is None or pool[0] == OUTSIDER or (pool[1] > e and "nofence" not in ON):
        return pool
    state, pe, how, addr = pool
    if "Q8S" in ON or ("Q8" in ON and (how == "adopted" or addr)):
        return (SUSPECT, pe, how, addr)
    return (SUSPECT, pe, how, addr) if addr and addr < pe else None  # rule 8 as written


def steps(st):
    store, wanted, leader, opened, pool, managers, flight = st
    found = []

    def to(label, **k):
        now = dict(store=store, wanted=wanted, leader=leader, opened=opened, pool=pool, managers=managers, flight=flight)
        now.update(k)
        same = now["pool"] is not None and pool is not None and now["pool"][:3] == pool[:3]
        now["flight"] = tuple(sorted((e, ok and (same or f not in flight)) for f in now["flight"] for e, ok in [f]))
        found.append((label, tuple(now.values())))

    if pool is None:
        to("an outsider takes the range", pool=(OUTSIDER, 0, "given", 0))
    elif pool[0] == OUTSIDER:
        to("the outsider gives it back", pool=None)
    for n in range(NETS):
        if not wanted[n] and not store[n] and leader >= 0:
            to(f"user creates network {n}", wanted=put(wanted, n, True))
    for i, (leads, session, ids, done, frozen) in enumerate(managers):
        def me(ids=ids, done=done):
            return put(managers, i, (leads, session, ids, done, frozen))
        if opened < S:
            new = put(managers, i, (True, opened + 1, (0,) * NETS, False, None))
            if leader >= 0 and leader != i:
                new = put(new, leader, managers[leader][:4] + (store,))
            to(f"{i} is elected (restarts)", leader=i, opened=opened + 1, managers=new)
        if leads and leader != i:
            to(f"{i} notices that it was deposed", managers=put(managers, i, IDLE))
        if not leads:
            continue
        view = store if leader == i else frozen if frozen is not None else (False,) * NETS
        for n in range(NETS):
            e = ids[n]
            if e == 0 and (view[n] or (wanted[n] and done and leader == i)):
                kind = "replays" if view[n] else "allocates"
                before, rest = pool, flight
                if "QO" in ON:  # what this engine has asked about this pool before is done first
                    rest = tuple(f for f in flight if f[0] != session)
                    if rest != flight:
                        before = released(pool, session)
                got = claim(before, session)
                if got == "refused":
                    if not (view[n] and sum(view) > 1):
                        real = view[n] and leader == i and not any(ids)
                        to(("REFUSED: " if real else "") + f"{i} {kind} network {n}, refused")
                    continue
                to(f"{i} {kind} network {n}", pool=got, managers=me(put(ids, n, session)), flight=rest)
                if "unheard" in ON:
                    to(f"{i} {kind} network {n}: applied, answered with an error", pool=(UNHEARD,) + got[1:], flight=rest)
                if "rollback" in ON and len(flight) < 2:
                    to(f"{i} {kind} network {n}, fails, releases it", pool=got, flight=rest + ((session, True),))
            if e and view[n] and pool and pool[0] == LIVE and pool[1] == e and 0 < pool[3] < e:
                to(f"{i} replays the task of {n}", pool=pool[:3] + (e,))
            if e and leader == i and not store[n] and wanted[n]:
                to(f"{i} commits network {n}", store=put(store, n, True))
            if e and leader == i and store[n] and pool and pool[0] == LIVE and pool[1] == e and pool[3] == 0:
                to(f"a task of {n} is given an address", pool=pool[:3] + (e,))
            if e and (leader == i or frozen is not None) and (store[n] or leader != i):
                gone = dict(store=put(store, n, False), wanted=put(wanted, n, False)) if leader == i else {}
                if leader == i:
                    to(f"{i} removes network {n}, release lost", managers=me(put(ids, n, 0)), **gone)
                if len(flight) < 2 and (leader == i or "rollback" in ON):
                    act = "removes" if leader == i else "(deposed) fails to commit"
                    ok = "noclaim" in ON or released(pool, e) != pool
                    to(f"{i} {act} network {n}, releasing it", managers=me(put(ids, n, 0)),
                       flight=flight + ((e, ok),), **gone)
        if not done and (leader != i or "fail" in ON or all(ids[n] or not store[n] for n in range(NETS))):
            to(f"{i} ends its replay", managers=me(done=True))
    for k, (e, ok) in enumerate(flight):
        to(f"release under {e} arrives" + ("" if ok else ", changes nothing"), flight=flight[:k] + flight[k + 1:],
           pool=released(pool, e) if ok or "noclaim" in ON else pool)
    if leader >= 0 and pool and pool[0] != OUTSIDER and managers[leader][1] >= pool[1]:
        seen = any(store) or ("blind" not in ON and any(managers[leader][2]))
        can = pool[0] in (SUSPECT, UNHEARD) or (pool[1] < managers[leader][1] if "Q7" in ON else True)
        if not seen and can:
            to(f"evidence of {leader} frees the pool", pool=None)
    if "elsewhere" in ON:
        if opened < S:
            to("a plugin is enabled elsewhere", opened=opened + 1)
        earlier = pool and pool[0] != OUTSIDER and pool[1] < opened
        if earlier and opened > max(m[1] for m in managers) and not any(store):
            to("evidence from elsewhere frees the pool", pool=None)
    return found


def wrong(st):
    store, pool = st[0], st[4]
    if sum(store) > 1:
        return "two committed networks have one subnet"
    if any(store) and (pool is None or pool[0] == OUTSIDER):
        return "the pool of a committed network is " + ("free" if pool is None else "given to an outsider")


search(START, steps, wrong)
