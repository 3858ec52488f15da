"""Groups, users and tokens of a dump."""

import msgspec

from cella.access.accounts import is_role
from cella.access.tokens import token_hash
from cella.catalog import identities, imports
from cella.db import Tx
from cella.flows.import_pillar.batch import Item, Setting, Sorted, sort
from cella.flows.import_pillar.outcomes import Outcome, Verdict
from cella.model import Group, Token, User
from cella.pillar.documents import Account, Secret

_NO_PROVIDER = "Blender-ID is not configured, so he cannot sign in with it"
_NO_PASSWORD = "his password was not taken: he needs a new one"  # noqa: S105 - a sentence
_NEEDS_KEY = "it works if CELLA_AUTH_TOKEN_HMAC_KEY is the original's AUTH_TOKEN_HMAC_KEY"


def take_groups(tx: Tx, setting: Setting, items: list[Item[Group]]) -> list[Outcome]:
    """Take a batch of groups."""
    found = sort(tx, "groups", items)
    if not setting.foreseen:
        imports.write_groups(
            tx, [each.value for each in found.new], [each.value for each in found.changed]
        )
    return found.done(tx, "groups", setting)


def take_users(tx: Tx, setting: Setting, items: list[Item[Account]]) -> list[Outcome]:
    """Take a batch of users, with the groups that they are in and what Blender-ID calls them."""
    found = sort(tx, "users", items)
    _name_apart(tx, found)
    _tell_shared_addresses(tx, found)
    group_ids = {group for each in found.wanted for group in each.value.user.groups}
    groups = setting.known(tx, "groups", group_ids)
    for item in found.wanted:
        user = item.value.user
        roles = tuple(role for role in user.roles if is_role(role))
        kept = tuple(group for group in user.groups if group in groups)
        if roles != user.roles:
            item.note("a role was left out: roles are words of a-z, 0-9, _ and -")
        if kept != user.groups:
            item.note("a group does not exist, and was left out")
        if item.value.has_password:
            item.note(_NO_PASSWORD)
        user = msgspec.structs.replace(user, roles=roles, groups=kept)
        item.value = item.value._replace(user=user)
    if setting.foreseen:
        admins = [each.id for each in found.wanted if "admin" in each.value.user.roles]
        setting.foreseen.admin = setting.foreseen.admin or min(admins, default=None)
    else:
        imports.write_users(
            tx,
            [each.value.user for each in found.new],
            [each.value.user for each in found.changed],
        )
    _adopt(tx, setting, found)
    return found.done(tx, "users", setting)


def take_tokens(tx: Tx, setting: Setting, items: list[Item[Secret]]) -> list[Outcome]:
    """Take a batch of tokens that are still good for something."""
    outcomes = []
    current: list[Item[tuple[Token, str]]] = []
    users = setting.known(tx, "users", {each.value.user for each in items})
    for item in items:
        reason, verdict = _useless(item.value, setting, users)
        if reason is not None:
            outcomes.append(Outcome(item.id, verdict, reason))
        else:
            current.append(_hashed(item, setting.token_key))
    found = sort(tx, "tokens", current)
    holders = imports.hashes(tx, {each.value[1] for each in found.wanted})
    for items_of in (found.new, found.changed):
        for each in list(items_of):
            if holders.setdefault(each.value[1], each.id) != each.id:
                items_of.remove(each)
                reason = "the same token is there already"
                outcomes.append(Outcome(each.id, Verdict.PASSED_OVER, reason))
    if not setting.foreseen:
        imports.write_tokens(
            tx, [each.value for each in found.new], [each.value for each in found.changed]
        )
    return [*outcomes, *found.done(tx, "tokens", setting)]


def _name_apart(tx: Tx, found: Sorted[Account]) -> None:
    """Give those another name whose own is somebody else's."""
    wanted = {each.value.user.username: "" for each in found.wanted}
    apart = {_renamed(each.value.user) for each in found.wanted}
    taken = imports.usernames(tx, [*wanted, *apart])
    for item in found.wanted:
        user = item.value.user
        names = (user.username, _renamed(user), user.id)
        name = next(each for each in names if taken.get(each, user.id) == user.id)
        taken[name] = user.id
        if name != user.username:
            item.note("the name is somebody else's, so the end of the id was put after it")
            item.value = item.value._replace(user=msgspec.structs.replace(user, username=name))


def _renamed(user: User) -> str:
    return f"{user.username[:100]}-{user.id[-6:]}"


def _tell_shared_addresses(tx: Tx, found: Sorted[Account]) -> None:
    emails = {each.value.user.email for each in found.wanted} - {""}
    shared = imports.addresses(tx, emails)
    shared |= {(each.value.user.email, each.id) for each in found.wanted}
    users_of: dict[str, set[str]] = {}
    for email, user_id in shared:
        users_of.setdefault(email, set()).add(user_id)
    for item in found.wanted:
        if len(users_of.get(item.value.user.email, ())) > 1 and item.value.user.email:
            item.note("another user has the same address")


def _adopt(tx: Tx, setting: Setting, found: Sorted[Account]) -> None:
    """Have Blender-ID name them, also those who are there since it was not configured."""
    if setting.provider is None:
        for item in found.wanted:
            if item.value.blender_ids:
                item.note(_NO_PROVIDER)
        return
    named: dict[str, Item[Account]] = {}
    for item in (*found.unchanged, *found.wanted):
        for subject in item.value.blender_ids:
            named.setdefault(subject, item)
    if named and not setting.foreseen:
        users = {subject: item.value.user for subject, item in named.items()}
        for subject in identities.adopt(tx, setting.provider, users):
            named[subject].note("Blender-ID's name for him is another user's")


def _useless(secret: Secret, setting: Setting, users: set[str]) -> tuple[str | None, Verdict]:
    if secret.expires is None or secret.expires <= setting.now:
        return "it has expired", Verdict.PASSED_OVER
    if secret.is_subclient:
        return "it is for a sub-client, and does not say which", Verdict.PASSED_OVER
    if secret.user not in users:
        return "its user does not exist", Verdict.REFUSED
    return None, Verdict.TAKEN


def _hashed(item: Item[Secret], key: str) -> Item[tuple[Token, str]]:
    secret = item.value
    token = Token(id=secret.id, user=secret.user, created=secret.created, expires=secret.expires)
    hashed = secret.hashed or token_hash(key, secret.plain or "")
    if secret.hashed:
        item.note(_NEEDS_KEY)
    return Item(item.id, (token, hashed), item.digest, item.notes)
