"""Look-alikes from Python: ``Twins.open().find("me.jpg")``."""

from __future__ import annotations

from typing import Literal

from twin_matcher_dagster.api.aligned import GivenPhotos, given_pixels
from twin_matcher_dagster.errors import ServicesError, StorageError
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.release.answers import Answer, ChoiceAnswer, PairAnswer, TwinCard
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.shared_features import Why
from twin_matcher_dagster.release.tally import counting
from twin_matcher_dagster.settings import Settings, command
from twin_matcher_dagster.storage.object_store import ObjectStore

_DOOR = "python"


class Twins:
    """Who looks like whom, always by the newest release of a bucket.

    A photo is looked at and forgotten. Every method raises ``MediaError`` for what is no photo,
    ``FaceError`` for one without a face or with several, ``NoReleaseError`` while there is no
    model, and ``StorageError`` while the bucket does not answer: all of them
    ``TwinMatcherError``, with a sentence that says what to do.

    Args:
        production: the releases that answer.
    """

    def __init__(self, production: Production) -> None:
        self._production = production

    @classmethod
    def open(cls, bucket: str | None = None) -> Twins:
        """Connect.

        Args:
            bucket: name of a bucket; the S3 is the one that the usual AWS variables point at. By
                default ``TWIN_MATCHER_BUCKET``, and the local services' where that is not set.

        Raises:
            ServicesError: the local services do not run.
            StorageError: the AWS variables do not go together.
        """
        settings = Settings()
        if bucket or not settings.embedded:
            name = bucket or settings.twin_matcher_bucket or ""
            return cls(Production(ObjectStore.from_environment(name)))
        if not settings.twin_matcher_home.exists():
            raise ServicesError(
                f"There is nothing in {settings.twin_matcher_home} yet. Run `{command('demo')}` "
                "first, or give the name of a bucket: Twins.open('my-bucket')."
            )
        store = embedded_s3.impatient_store(environment(settings))
        try:
            store.get("ready")
        except StorageError as error:
            raise ServicesError(
                f"The local services do not answer. Start them with `{command('up')}`, or give the "
                "name of a bucket: Twins.open('my-bucket')."
            ) from error
        return cls(Production(store))

    @property
    def release(self) -> int:
        """Number of the release that answers."""
        return self._production.finder().number

    def find(
        self,
        photo: GivenPhotos,
        *,
        top: int = 3,
        face: int | None = None,
        kind: Literal["celebrity", "user"] | None = None,
    ) -> Answer:
        """Who the person in a photo is, and who looks like them.

        Args:
            photo: one, or several of one person.
            top: how many twins.
            face: which face is meant, as ``error.offered`` or ``Answer.faces`` has it; by default
                the largest, if it has no rival.
            kind: of twins; both by default.

        Raises:
            SeveralFacesError: several faces; ``error.offered`` has them, to choose by ``face``.
        """
        with counting(_DOOR) as count:
            answer = self._production.finder().find(given_pixels(photo), top, face, kind)
            count(answer)
        return answer

    def explain(self, answer: Answer, twin: TwinCard) -> Why | None:
        """Which parts of the face a twin shares; None where the release does not know.

        Args:
            answer: of the release that answers now.
            twin: one of its twins.
        """
        return self._production.finder().explain(answer, twin)

    def compare(self, one: GivenPhotos, other: GivenPhotos) -> PairAnswer:
        """How alike the people in two photos are, and whether they are taken for one."""
        with counting(_DOOR, "compare") as count:
            answer = self._production.finder().compare(given_pixels(one), given_pixels(other))
            count(answer)
        return answer

    def choose(self, person: GivenPhotos, one: GivenPhotos, other: GivenPhotos) -> ChoiceAnswer:
        """Whom of two a third person resembles more: a child its mother or its father, say."""
        with counting(_DOOR, "choose") as count:
            photos = (given_pixels(photo) for photo in (person, one, other))
            answer = self._production.finder().choose(*photos)
            count(answer)
        return answer
