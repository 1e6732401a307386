"""What is seen against what was wanted: things, colours, sizes, counts, relations, places, background."""

from __future__ import annotations

from engine.lab.storybook.judging.judge import Seen, SeenThing
from engine.lab.storybook.language.parse import Spec, Want
from engine.lab.storybook.language.phrases import COUNTS, plural, size_word, some, verb
from engine.lab.storybook.scene.scene import COLUMNS, Relation, Scene, gap

CLEAR = 0.06
"""The least distance between seen centres for a relation to count as shown."""


def wanted(scene: Scene) -> Spec:
    """A scene as a request: its groups, named relations and background."""
    groups = scene.groups()
    of = {index: position for position, group in enumerate(groups) for index in group.indices}
    relations = tuple(Relation(of[r.subject], r.name, of[r.object]) for r in scene.relations)
    return Spec(
        scene.background, tuple(Want(g.count, g.colour, g.kind, scale=g.scale) for g in groups), relations
    )


def faults(wish: Spec | Scene, seen: Seen) -> list[str]:
    """Every way in which what is seen isn't what was wanted, as short sentences; empty when all is right."""
    spec = wanted(wish) if isinstance(wish, Scene) else wish
    shares, spare = _share_out(spec, seen)
    found = []
    for want, things in zip(spec.wants, shares, strict=True):
        if len(things) != want.count:
            other = (
                next((t for t in spare if t.kind == want.kind), None) if len(things) < want.count else None
            )
            found.append(_object_fault(want, len(things), other))
            if other is not None:
                spare.remove(other)
        if want.scale and (wrong := next((t.scale for t in things if t.scale != want.scale), None)):
            found.append(f"the {want.kind} is {size_word(wrong)}, not {size_word(want.scale)}")
        columns = {min(range(3), key=lambda c: abs(COLUMNS[c] - t.x)) for t in things}
        if want.columns and things and columns != set(want.columns):
            found.append(f"the {want.kind} is not where it should be")
    found += [f"there is {some(t.kind, t.colour)} that nobody asked for" for t in spare]
    for relation in spec.relations:
        pairs = [(a, b) for a in shares[relation.subject] for b in shares[relation.object]]
        if not all(gap(a, relation.name, b) >= CLEAR for a, b in pairs):
            kinds = [spec.wants[end].kind for end in (relation.subject, relation.object)]
            found.append(f"the {kinds[0]} is not {relation.name} the {kinds[1]}")
    if spec.background not in (None, seen.background):
        found.append(f"the background is {seen.background}, not {spec.background}")
    return found


def _is(want: Want, thing: SeenThing) -> bool:
    return thing.kind == want.kind and want.colour in (None, thing.colour)


def _share_out(spec: Spec, seen: Seen) -> tuple[list[list[SeenThing]], list[SeenThing]]:
    """The seen things by want (wants with a colour are served first) and the rest."""
    spare = list(seen.things)
    shares: list[list[SeenThing]] = [[] for _ in spec.wants]
    for position in sorted(range(len(spec.wants)), key=lambda p: spec.wants[p].colour is None):
        want = spec.wants[position]
        shares[position] = [t for t in spare if _is(want, t)]
        spare = [t for t in spare if t not in shares[position]]
    return shares, spare


def _object_fault(want: Want, have: int, other: SeenThing | None) -> str:
    if have == 0 and other is not None and want.colour is not None:
        return f"the {want.kind} is {other.colour}, not {want.colour}"
    colour = f"{want.colour} " if want.colour else ""
    if have == 0:
        return f"the {colour}{plural(want.kind, want.count)} {verb(want.count)} missing"
    number = COUNTS[min(have, 6)]
    return f"there {verb(have)} {number} {colour}{plural(want.kind, have)}, not {COUNTS[min(want.count, 6)]}"
