#!/usr/bin/env python3
"""Sessions that are opened late, in an exclusive space: two managers, and what their front-ends know when. Rule 1 of
ARCHITECTURE.md, the claim protocol.

    sessions.py ELECTIONS ADDRESSES [WORD ...]

A manager that is elected makes its handshake. Its front-end may know then which session is the latest, or nothing, and
opens its own now, late, unheard or never. A deposed manager goes on, from the store as it was, until it notices. A task
is known by its address. A released address waits for an observation (claims_attacked.py, R6S); observations are made
through the manager that holds the pool's epoch, show the store as that one knows it, and nothing that is in memory.
Checked: the address of a committed task is held. Counted: refused replays of the manager that leads.

rules taken out
    condition  a late session is opened though one was opened that the front-end did not know of
    asks       the engine need not say that its manager leads
    early      it may have said so before the refusal
    prompt     what a front-end learns later than 10 s after a handshake counts as known then
found: what the rules as they are do not cover
    own        a session that was opened for an earlier handshake, unheard, is taken for this one's
    restarts   a front-end that restarts forgets a handshake whose session is not open yet
    belief     a deposed manager that has not noticed says that it leads
    enabled    its plugin is enabled again: a handshake without an election
"""
import sys
from typing import NamedTuple

from search import put, search

E, A, ON = int(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])
NOTHING = -1


class Manager(NamedTuple):
    leads: bool = False  # so it believes
    frozen: int | None = None  # the store when it was deposed
    known: int | None = None  # the latest session at its handshake; None: its own is open
    prompt: bool = False  # 10 s have not passed since
    tried: int = 0  # the session that was opened for this handshake, unheard
    refused: int = 0  # the session for which its own was refused
    said: bool = False  # its engine said that it leads
    own: int = 0  # its newest session
    epoch: int = 0  # of its pool id
    todo: int = 0  # what it has not replayed yet
    memory: int = 0  # what it has not committed yet


class State(NamedTuple):
    """Sets of addresses are bit masks. One task runs from an earlier session, at address 0."""
    store: int = 1
    leader: int = -1
    elections: int = 0
    latest: int = 1  # session
    opener: int = -1
    pool: int = 1  # its epoch
    held: tuple = ((1, False),) + (None,) * (A - 1)  # epoch, and whether it was released
    managers: tuple = (Manager(), Manager())


def handshakes(state, i, label, **k):
    for known, text in ((state.latest, f"knows of {state.latest}"), (NOTHING, "knows nothing")):
        new = state.managers[i]._replace(known=known, prompt=known == NOTHING, tried=0, refused=0, said=False, **k)
        after = state._replace(elections=state.elections + 1, managers=put(state.managers, i, new))
        yield f"{i} {label}, its front-end {text}", after


def elect(state, i):
    # Swarm elects nobody within 10 s of an election.
    managers = tuple(m if "prompt" in ON else m._replace(prompt=False) for m in state.managers)
    if state.leader not in (-1, i):
        managers = put(managers, state.leader, managers[state.leader]._replace(frozen=state.store))
    state = state._replace(managers=managers, leader=i)
    return handshakes(state, i, "is elected", leads=True, frozen=None, epoch=0, todo=state.store, memory=0)


def opens(state, i, to, me):
    """What the front-end does while its session is not open, whatever its manager does."""
    m, latest = state.managers[i], state.latest
    name, says = f"{i}'s front-end", m.leads if "belief" in ON else state.leader == i
    done = dict(known=None, prompt=False, tried=0, refused=0, said=False)
    if m.prompt:
        to(f"{name} sees that {latest} is the latest", **me(known=latest, prompt=False))
    if "early" in ON and says and not m.said:
        to(f"{i}'s engine says that it leads", **me(said=True))
    if "restarts" in ON:
        to(f"{name} restarts", **me(**done) if m.own else me(known=latest))
    if max(m.known, m.own) == latest or "condition" in ON:
        to(f"{name} opens session {latest + 1}", latest=latest + 1, opener=i, **me(own=latest + 1, **done))
        if latest <= E:
            to(f"{name} opens session {latest + 1}, unheard", latest=latest + 1, opener=i, **me(tried=latest + 1))
    elif state.opener == i and (m.tried == latest or "own" in ON):
        to(f"{name} finds its session {latest} open", **me(own=latest, **done))
    elif state.opener == i:
        to(f"{name} finds session {latest} open, from an earlier handshake", **me(known=latest))
    elif m.refused != latest:
        to(f"{name} is refused: {latest} was opened", **me(refused=latest))
    elif says or m.said or "asks" in ON:
        to(f"{i}'s engine says that it leads, though {latest} was opened", **me(known=latest, prompt=False))


def asks(state, i, to, me):
    """What the manager asks for."""
    m, held, leads = state.managers[i], state.held, state.leader == i
    view = state.store if m.frozen is None else m.frozen
    if m.epoch == 0:
        if state.pool < m.own:
            to(f"{i} claims the pool under {m.own}", pool=m.own, **me(epoch=m.own))
        elif leads:
            to(f"REFUSED: {i} claims the pool under {m.own}")
        return
    for a in range(A):
        bit, claim = 1 << a, held[a]
        mine, released = put(held, a, (m.epoch, False)), held
        if claim and claim[0] <= m.epoch:
            released = put(held, a, (claim[0], True))
        if m.todo & bit:
            done = me(todo=m.todo & ~bit)
            if not view & bit:
                to(f"{i} has nothing to replay at {a}", **done)
            elif claim is None or claim[0] < m.epoch or claim == (m.epoch, True):
                to(f"{i} replays the task at {a}", held=mine, **done)
                to(f"{i} fails to replay the task at {a}", **done)
            else:
                to(("REFUSED: " if leads else "") + f"{i} replays the task at {a}, refused", **done)
        if m.todo:
            continue
        if claim is None and not m.memory:
            to(f"{i} is given {a}", held=mine, **me(memory=bit))
        if m.memory & bit:
            to(f"{i} does not commit its task, releasing {a}", held=released, **me(memory=0))
            if leads:
                to(f"{i} commits its task at {a}", store=state.store | bit, **me(memory=0))
        elif view & bit:
            to(f"{i} fails to update the task at {a}, releasing it", held=released)
            if leads:
                to(f"{i} removes the task at {a}", store=state.store & ~bit, held=released)
                to(f"{i} removes the task at {a}, release lost", store=state.store & ~bit)


def steps(state):
    found = []

    def to(label, **k):
        found.append((label, state._replace(**k)))

    for i, m in enumerate(state.managers):
        def me(**k):
            return dict(managers=put(state.managers, i, m._replace(**k)))

        if state.elections < E:
            found.extend(elect(state, i))
            if "enabled" in ON:
                found.extend(handshakes(state, i, "has its plugin enabled again"))
        if m.leads and state.leader != i:
            to(f"{i} notices that it was deposed", **me(leads=False, frozen=None, epoch=0, todo=0, memory=0))
        if m.known is not None:
            opens(state, i, to, me)
            continue
        if m.leads:
            asks(state, i, to, me)
        view = state.store if m.frozen is None else m.frozen
        for a, claim in enumerate(state.held):
            if m.own == state.pool and claim and not view >> a & 1 and (claim[0] < state.pool or claim[1]):
                to(f"evidence of {i} frees {a}", held=put(state.held, a, None))
    return found


def wrong(state):
    free = (a for a in range(A) if state.store >> a & 1 and state.held[a] is None)
    return next((f"address {a} of a committed task is free" for a in free), None)


search(State(), steps, wrong)
