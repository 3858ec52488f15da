"""Projects of a dump, and those that its files name though they are gone."""

from collections.abc import Collection, Mapping

import msgspec

from cella.catalog import imports
from cella.catalog.imports import Mark
from cella.db import Tx
from cella.flows.config import FORGET_PROJECT, WHEN_IDLE
from cella.flows.import_pillar.batch import Item, Setting, Sorted, sort
from cella.flows.import_pillar.outcomes import Outcome
from cella.model import METHODS, Grant, Permissions, Project


def take_projects(tx: Tx, setting: Setting, items: list[Item[Project]]) -> list[Outcome]:
    """Take a batch of projects. The files of deleted ones are forgotten after the time of grace."""
    found = sort(tx, "projects", items)
    clashing = setting.known(tx, "users", {each.id for each in found.new})
    found.refuse(lambda item: "its id is a user's" if item.id in clashing else None)
    _settle_owners(tx, setting, found)
    _settle_urls(tx, found)
    if not setting.foreseen:
        imports.write_projects(
            tx, [each.value for each in found.new], [each.value for each in found.changed]
        )
        gone = [
            each.id
            for each in found.wanted
            if each.value.deleted is not None
            and (each.id not in found.present or found.present[each.id].deleted is None)
        ]
        setting.later(tx, FORGET_PROJECT, gone, WHEN_IDLE)
    return found.done(tx, "projects", setting)


def make_up_for(tx: Tx, setting: Setting, lost: Mapping[str, str]) -> set[str]:
    """Make the projects of those ids, private, whose files are there though they are not.

    `lost` has the user each is to belong to, who may do everything in it. So the files keep their
    place in the store. Gives the ids for which no owner could be found.
    """
    users = setting.known(tx, "users", lost.values())
    fallback = setting.admin(tx)
    owners = {each: user if user in users else fallback for each, user in lost.items()}
    made = [
        Project(
            id=project_id,
            created=int(setting.now),
            updated=0,
            etag=project_id,
            name=f"Lost project {project_id}",
            url=f"lost-{project_id}",
            user=owner,
            permissions=Permissions(users=(Grant(owner, METHODS),)),
        )
        for project_id, owner in owners.items()
        if owner is not None
    ]
    if setting.foreseen:
        setting.foreseen.add("projects", [each.id for each in made])
    else:
        imports.write_projects(tx, made, [])
        imports.remember(tx, "projects", {each.id: Mark(each.etag, "") for each in made})
    return lost.keys() - {each.id for each in made}


def _settle_owners(tx: Tx, setting: Setting, found: Sorted[Project]) -> None:
    users = setting.known(tx, "users", {each.value.user for each in found.wanted} - {""})
    fallback = setting.admin(tx)
    for item in found.wanted:
        if item.value.user not in users and fallback is not None:
            item.value = msgspec.structs.replace(item.value, user=fallback)
            item.note("its owner does not exist, so the oldest administrator owns it")
    _refuse_unowned(found, users | ({fallback} if fallback else set()))


def _refuse_unowned(found: Sorted[Project], users: Collection[str]) -> None:
    reason = "its owner does not exist, and there is no administrator who could own it"
    found.refuse(lambda item: None if item.value.user in users else reason)


def _settle_urls(tx: Tx, found: Sorted[Project]) -> None:
    """Give those another URL whose own is another project's."""
    own = {each.id: f"p-{each.id}" for each in found.wanted}
    taken = imports.urls(tx, [*{each.value.url for each in found.wanted}, *own.values()])
    for item in found.wanted:
        if taken.setdefault(item.value.url, item.id) != item.id:
            item.note("its url is another project's, so it has one made of its id")
            item.value = msgspec.structs.replace(item.value, url=own[item.id])
            taken[own[item.id]] = item.id
