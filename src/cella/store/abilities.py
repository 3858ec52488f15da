"""What some stores can do and others cannot, handed on through wrappers.

A wrapper holds any store, so only when it is made is it known what that one can do besides the
verbs of every store. Whoever wants an ability asks `isinstance(store, CanSign)`, which looks for
the members; so the wrapper gets those of its inner store, and no others.
"""

from typing import Any

from cella.store.contract import CanBrowse, CanSign, HasPath, ShowsUnfinished, Store

_ABILITIES: dict[type, tuple[str, ...]] = {
    HasPath: ("path",),
    CanBrowse: ("browse", "find"),
    ShowsUnfinished: ("unfinished", "drop_unfinished"),
    CanSign: ("signs_slowly", "longest_link", "sign", "public_link"),
}


def hand_on(inner: Store, wrapper: Store, **own: Any) -> None:
    """Give `wrapper` each ability that `inner` has.

    Members are those of `inner` itself, or those in `own` where the wrapper has others, which
    do not stand in its class by that name: then every wrapper would seem to be able.
    """
    for ability, members in _ABILITIES.items():
        if isinstance(inner, ability):
            for member in members:
                setattr(wrapper, member, own.get(member, getattr(inner, member)))
