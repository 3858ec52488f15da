"""Login: a token, a session or another password for a name and a password.

Guessing is slow, because attempts are counted before the password is looked at: under the name,
and under the network that they come from. The counts are in the database, so that all processes
count together, and cannot be outrun by asking many times at once.
"""

from collections.abc import Callable
from typing import NamedTuple

from cella.access.accounts import is_username
from cella.access.networks import network_of
from cella.access.passwords import Passwords
from cella.access.tokens import attempt_key, new_token, session_hash, token_hash
from cella.catalog import attempts, people, sessions
from cella.catalog.attempts import Budget
from cella.catalog.sessions import Session
from cella.clock import Clock
from cella.db import Database, Tx
from cella.errors import Conflict, Forbidden, TooManyRequests
from cella.flows.config import LoginConfig
from cella.ids import new_id
from cella.model import Actor, Token, User
from cella.slots import Slots

_DAY = 24 * 3600
_KEPT = 7 * _DAY
_PER_NETWORK = 10
_AT_ONCE = 64
_REFUSED = "The user name or the password is wrong."


class _Attempt(NamedTuple):
    name: Budget
    network: Budget


class Login:
    """Makes tokens and sessions for people who know their passwords, and changes those."""

    def __init__(
        self,
        *,
        db: Database,
        passwords: Passwords,
        token_key: str,
        clock: Clock,
        config: LoginConfig,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._token_key = token_key
        self._clock = clock
        self._config = config
        self._slots = Slots(_AT_ONCE, "sign-ins")

    async def token(self, username: str, password: str, address: str) -> str:
        """A new token of the user, valid for `login_token_days`; `address` is the client's.

        Raises `Forbidden` alike for unknown users, disabled ones, those without a password, and
        wrong passwords, after the same time; `TooManyRequests` where too many attempts have failed
        lately, whether this one is right or not; `Overloaded` where too many wait for an answer.
        """
        token = new_token()
        await self._sign_in(
            username, password, address, lambda tx, user: self._keep_token(tx, user, token)
        )
        return token

    async def session(self, username: str, password: str, address: str) -> str:
        """The secret of a new session of the user, valid for `login_session_days`.

        Raises what `token` raises.
        """
        secret = new_token()
        await self._sign_in(
            username, password, address, lambda tx, user: self._keep_session(tx, user, secret)
        )
        return secret

    def admit(self, actor: Actor) -> None:
        """Raise `Forbidden` where the actor has not signed in."""
        if actor.user is None:
            raise Forbidden("Sign in first: this needs a valid token, or a session.")

    async def change_password(
        self, actor: Actor, current: str, new: str, address: str, secret: str | None
    ) -> None:
        """Give the actor the password `new` in the place of `current`.

        All browsers of the user are signed out but the one whose session has this `secret`; tokens
        stay valid. A wrong `current` counts as a failed sign-in: else who finds an open browser
        could guess on. Raises `BadRequest` where `new` is too short or too long, `Conflict` where
        there is no password yet, which would outlast the token or the provider that let somebody
        in, and what `token` raises.
        """
        self.admit(actor)
        self._passwords.judge(new)
        login = await self._db.read(lambda tx: _login(tx, actor))
        if login.password is None:
            raise Conflict("You have no password here. An administrator can give you one.")
        kept = None if secret is None else session_hash(self._token_key, secret)

        def keep(tx: Tx, user: User) -> None:
            sessions.remove_all(tx, user.id, but=kept)

        try:
            await self._sign_in(login.user.username, current, address, keep, new)
        except Forbidden:
            raise Forbidden("The current password is wrong.") from None

    async def _sign_in(
        self,
        username: str,
        password: str,
        address: str,
        keep: Callable[[Tx, User], None],
        new: str | None = None,
    ) -> None:
        """Have the user, once known, get what `keep` keeps, in the same transaction.

        So it is with `new`, if that is to be the password from now on.
        """
        network = network_of(address)
        attempt = self._attempt(username, network)
        with self._slots.held_by(network):
            kept = await self._db.write(lambda tx: self._begin(tx, attempt, username))
            if not await self._passwords.verify(kept, password) or kept is None:
                raise Forbidden(_REFUSED)
            if new is None:
                hashed = await self._passwords.renewed(kept, password)
            else:
                hashed = await self._passwords.hashed(new)

            def finish(tx: Tx) -> None:
                user = _holder(tx, username, kept)
                attempts.clear(tx, attempt.name.key)
                attempts.take_back(tx, attempt.network.key)
                keep(tx, user)
                if hashed is not None:
                    people.set_password(tx, user.id, hashed)

            await self._db.write(finish)

    def _begin(self, tx: Tx, attempt: _Attempt, username: str) -> str | None:
        """Count the attempt, whatever comes of it; the hash of the user's password, if any."""
        now = int(self._clock.now())
        for budget in attempt:
            if not attempts.count(tx, budget, now):
                seconds = attempts.wait(tx, budget, now)
                raise TooManyRequests(
                    f"Too many sign-ins have failed; try again in {seconds} seconds.", seconds
                )
        attempts.sweep(tx, now - self._config.window)
        # No other name can be anybody's, and databases do not take any text.
        login = people.login(tx, username) if is_username(username) else None
        return None if login is None or login.user.disabled else login.password

    def _keep_token(self, tx: Tx, user: User, token: str) -> None:
        now = int(self._clock.now())
        people.drop_expired(tx, user.id, now - _KEPT)
        expires = now + int(self._config.token_days * _DAY)
        kept = Token(id=new_id(), user=user.id, created=now, expires=expires)
        people.add_token(tx, kept, token_hash(self._token_key, token))

    def _keep_session(self, tx: Tx, user: User, secret: str) -> None:
        now = int(self._clock.now())
        sessions.make_room(tx, user.id, now)
        expires = now + int(self._config.session_days * _DAY)
        kept = Session(user=user.id, token=None, created=now, expires=expires)
        sessions.add(tx, kept, session_hash(self._token_key, secret))

    def _attempt(self, username: str, network: str) -> _Attempt:
        most, window = self._config.attempts, self._config.window
        return _Attempt(
            Budget(attempt_key(self._token_key, "sign-in name", username), most, window),
            Budget(
                attempt_key(self._token_key, "sign-in network", network),
                most * _PER_NETWORK,
                window,
            ),
        )


def _login(tx: Tx, actor: Actor) -> people.Login:
    """The actor's account with its password; raises `Forbidden` where it is gone meanwhile."""
    user = people.get_user(tx, actor.user or "")
    login = people.login(tx, user.username)
    if login is None:
        raise Forbidden(_REFUSED)
    return login


def _holder(tx: Tx, username: str, kept: str) -> User:
    """The user, unless the password or anything else has changed meanwhile.

    It stays so until the transaction ends: who is given another password is signed out with it.
    """
    user = people.find_user(tx, username)
    if user is not None:
        people.get_user(tx, user.id, for_change=True)
    login = people.login(tx, username)
    if login is None or login.user.disabled or login.password != kept:
        raise Forbidden(_REFUSED)
    return login.user
