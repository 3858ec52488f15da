"""Which buckets there are in Google Cloud Storage, and what they allow. All of it blocks."""

from typing import NamedTuple

from google.api_core import exceptions
from google.cloud.storage import Bucket

from cella.errors import StoreRefused
from cella.store.gcs_service import Service
from cella.store.layout import Layout

_FIELDS = "items(name,iamConfiguration),nextPageToken"
_PREVENTION = "enforced"


class Shelf(NamedTuple):
    """A bucket, and the project whose it is: empty for the bucket of all."""

    project: str
    bucket: str


class Buckets:
    """The buckets of `layout`; new ones are made in `location`.

    With `public_objects`, a bucket may have some where it has access for each object (no uniform
    bucket-level access) and no public access prevention. That is asked once of each, and those
    that are made without `public_objects` are made so that they never have any.
    """

    def __init__(
        self, service: Service, layout: Layout, location: str, *, public_objects: bool
    ) -> None:
        self._service = service
        self._layout = layout
        self._location = location
        self._public_objects = public_objects
        self._public: dict[str, bool] = {}

    def look(self) -> None:
        """Find out what buckets there are, and which may have public objects.

        Raises the client's `NotFound` where there has to be one and is not.
        """
        if not self._layout.is_shared:
            if self._public_objects:
                self.shelves("", "")
        else:
            self._ask(self._layout.bucket(""))

    def is_public(self, bucket: str) -> bool:
        """Whether the bucket is known to have public objects; asks nobody."""
        return self._public.get(bucket, False)

    def may_be_public(self, bucket: str) -> bool:
        """Whether the bucket may have public objects, which is asked once."""
        if self._public_objects and bucket not in self._public:
            try:
                self._ask(bucket)
            except exceptions.NotFound:
                return False
        return self.is_public(bucket)

    def forbid_public(self, bucket: str) -> None:
        """Remember that the bucket turned out to have no public objects.

        The organisation may forbid them, and only tells who tries to make one.
        """
        self._public[bucket] = False

    def make(self, bucket: str) -> None:
        """Make a bucket. That somebody was faster is no error."""
        self._need_project()
        new = self._service.client.bucket(bucket)
        if not self._public_objects:
            new.iam_configuration.uniform_bucket_level_access_enabled = True
            new.iam_configuration.public_access_prevention = _PREVENTION
        try:
            made = self._service.client.create_bucket(
                new, location=self._location, **self._service.bounded
            )
        except exceptions.Conflict:
            return
        self._note(made)

    def have(self, bucket: str) -> None:
        """Make a bucket if it is not there. It is looked for until it was seen once."""
        if bucket not in self._public:
            try:
                self._ask(bucket)
            except exceptions.NotFound:
                self.make(bucket)

    def shelves(self, prefix: str, after: str) -> list[Shelf]:
        """The buckets in which there may be keys that are wanted, in the order of the keys."""
        if self._layout.is_shared:
            return [Shelf("", self._layout.bucket(""))]
        self._need_project()
        found = list(
            self._service.client.list_buckets(
                prefix=self._layout.bucket_prefix + prefix.partition("/")[0] or None,
                fields=_FIELDS,
                **self._service.bounded,
            )
        )
        projects = self._layout.projects((bucket.name for bucket in found), prefix, after)
        shelves = [Shelf(project, self._layout.bucket(project)) for project in projects]
        for bucket in found:
            self._note(bucket)
        return shelves

    def _ask(self, bucket: str) -> None:
        try:
            self._note(self._service.client.get_bucket(bucket, **self._service.bounded))
        except exceptions.Forbidden:
            self._public[bucket] = False

    def _note(self, bucket: Bucket) -> None:
        access = bucket.iam_configuration
        self._public[bucket.name] = (
            self._public_objects
            and not access.uniform_bucket_level_access_enabled
            and access.public_access_prevention != _PREVENTION
        )

    def _need_project(self) -> None:
        if not self._service.project:
            raise StoreRefused(
                "Buckets of their own for projects need CELLA_GCS_PROJECT, the project of "
                "Google's in which they are."
            )
