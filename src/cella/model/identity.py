"""Who somebody is, in the words of a provider outside."""

import msgspec


class Identity(msgspec.Struct, kw_only=True, frozen=True):
    """A user of a provider: `subject` is what names him there for good, the rest may change.

    `username` is a wish; another user may have the name already. `roles` are ours. `claimed` is
    when the provider said so, in seconds since the epoch. `kept_until` is for how long the token
    that was shown may be known here too, None where it proves itself each time.
    """

    provider: str
    subject: str
    username: str
    full_name: str
    email: str
    roles: tuple[str, ...]
    claimed: int
    kept_until: int | None = None
