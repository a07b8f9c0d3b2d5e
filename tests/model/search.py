"""What all models share: a look at every state that can be reached, and the story of the first that must not be."""
import sys
from collections import deque


def put(row, at, value):
    return row[:at] + (value,) + row[at + 1:]


def story(came_from, state):
    lines = []
    while came_from[state]:
        state, label = came_from[state]
        lines.append("  " + label)
    return "\n".join(reversed(lines))


def search(start, steps, wrong):
    """Explores what `steps`, pairs of a label and a state, lead to from `start`, breadth first: so a story is as short
    as can be. Stops at a state with which something is `wrong`; counts steps whose label begins with REFUSED."""
    came_from, queue, refused = {start: None}, deque([start]), 0
    while queue:
        state = queue.popleft()
        for label, after in steps(state):
            if label.startswith("REFUSED"):
                refused += 1
                if refused == 1:
                    print(f"first refused replay:\n{story(came_from, state)}\n  {label}")
            if after in came_from:
                continue
            came_from[after] = (state, label)
            if wrong(after):
                print(f"VIOLATION: {wrong(after)}\n{story(came_from, after)}")
                sys.exit(1)
            queue.append(after)
    print(f"{len(came_from)} states, no violation, {refused} refused replays")
    sys.exit(1 if refused else 0)
