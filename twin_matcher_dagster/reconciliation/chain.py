"""Which assets are behind: the newest entries of the logs, compared by what they say.

From the celebrities to the release each asset is of the newest of what it is made of, or this names
it. It asks for content: what was made again and is the same leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from twin_matcher_dagster.reconciliation.facts import Cause, Content, Need


@dataclass(frozen=True)
class BalancedFact:
    """The newest balanced celebrities: when, their fingerprint, and the raw version they are of."""

    at: datetime
    version: str
    raw: int


@dataclass(frozen=True)
class DatasetFact:
    """The newest data set.

    Attributes:
        at, version: when it was made, and its fingerprint.
        celebrities: fingerprint of the balanced celebrities in it.
        shards: fingerprint of who is in, by which faces. Other clips only measure: an index without
            them is not behind.
        learnt: fingerprint of what a training learns of it.
    """

    at: datetime
    version: str
    celebrities: str
    shards: str
    learnt: str


@dataclass(frozen=True)
class ModelFact:
    """The newest model.

    Attributes:
        at, version: when it was made, or made the newest again, and its fingerprint.
        celebrities: fingerprint of those whom it learnt.
        refused: fingerprint of what gave a worse model than this; empty for none.
        erased_since: when the first upload that it learnt was erased; None for none.
    """

    at: datetime
    version: str
    celebrities: str
    refused: str
    erased_since: datetime | None = None


@dataclass(frozen=True)
class IndexFact:
    """The newest index.

    Attributes:
        at, version: when it was made, and its fingerprint.
        content: keys of all that is in it.
        model: fingerprint of its model.
        shards: fingerprint of who is in, by which faces.
        erased: whether somebody who was erased is in it.
    """

    at: datetime
    version: str
    content: tuple[str, ...]
    model: str
    shards: str
    erased: bool = False


@dataclass(frozen=True)
class ReleaseFact:
    """The newest release.

    Attributes:
        at: when.
        content: of its index; empty where the release was withdrawn.
        by_hand: whether a person chose it: it stays until something newer comes.
        number: in its log.
    """

    at: datetime
    content: tuple[str, ...]
    by_hand: bool
    number: int = 0


@dataclass(frozen=True)
class Chain:
    """The newest entry of every log; None where there is none yet.

    Attributes:
        raw: number of the newest raw faces, and when they were read.
        balanced, dataset, model, index, release: see their classes.
        training_due: when a training became due last.
        paired: number of the release whose visitors were compared last.
    """

    raw: tuple[int, datetime] | None = None
    balanced: BalancedFact | None = None
    dataset: DatasetFact | None = None
    training_due: datetime | None = None
    model: ModelFact | None = None
    index: IndexFact | None = None
    release: ReleaseFact | None = None
    paired: int | None = None


def needs_of(chain: Chain, noted: Mapping[str, datetime]) -> tuple[Need, ...]:
    """The assets that are behind, in the order of the graph.

    Args:
        chain: the newest entries.
        noted: uploads with a verdict that the data set did not look at, and since when.
    """
    return (
        *_balanced(chain),
        *_dataset(chain, noted),
        *_training(chain),
        *_index(chain),
        *_release(chain),
        *_pairs(chain),
    )


def _balanced(chain: Chain) -> Iterator[Need]:
    raw, balanced = chain.raw, chain.balanced
    if raw and (balanced is None or balanced.raw != raw[0]):
        what = f"the celebrities were read anew (version {raw[0]})"
        yield Need("balanced_faces", (Cause("raw_faces", raw[1], what),))


def _dataset(chain: Chain, noted: Mapping[str, datetime]) -> Iterator[Need]:
    balanced, dataset = chain.balanced, chain.dataset
    if balanced is None:
        return
    causes = []
    if noted:
        what = f"new verdicts: {len(noted)}"
        causes.append(Cause("user_faces", min(noted.values()), what))
    if dataset is None or dataset.celebrities != balanced.version:
        causes.append(Cause("balanced_faces", balanced.at, "the celebrities are others"))
    if causes:
        yield Need("twin_dataset", tuple(causes), Content("balanced_faces", balanced.version))


def _training(chain: Chain) -> Iterator[Need]:
    """What must be learnt. That it would be worth it is the policy's matter, see ``retraining``."""
    dataset, model, due = chain.dataset, chain.model, chain.training_due
    if dataset is None:
        return
    gate = Content("twin_dataset", dataset.version)
    # The store's times are to the second: what came due in the second of a model is not in it.
    if due and (model is None or due >= model.at):
        yield Need("twin_model", (Cause("retraining", due, "a training is due"),), gate)
        return
    cause = None
    if model is None:
        cause = Cause("twin_dataset", dataset.at, "there is no model yet")
    elif model.erased_since:
        what = "the model learnt from somebody who was erased"
        cause = Cause("erasures", model.erased_since, what)
    elif model.celebrities != dataset.celebrities and model.refused != dataset.learnt:
        cause = Cause("twin_dataset", dataset.at, "the model is of other celebrities")
    if cause:
        yield Need("retraining", (cause,), gate)


def _index(chain: Chain) -> Iterator[Need]:
    dataset, model, index = chain.dataset, chain.model, chain.index
    if dataset is None:
        return
    gate = Content("twin_dataset", dataset.version)
    if model is None:
        causes = (Cause("twin_dataset", dataset.at, "there is no model yet"),)
        yield Need("face_index", causes, gate, waits_for="the first training")
        return
    found = []
    if index and index.shards != dataset.shards:
        found.append(Cause("twin_dataset", dataset.at, "other uploads are in the data set"))
    if index is None or index.model != model.version:
        found.append(Cause("twin_model", model.at, "there is another model"))
    # A person who went back to an earlier release wants it until somebody new comes.
    release = chain.release
    if release and release.by_hand:
        found = [cause for cause in found if cause.since > release.at]
    if found:
        of_model = index is not None and index.model == model.version
        waits = model.celebrities != dataset.celebrities and not of_model
        yield Need("face_index", tuple(found), gate, "a training on the celebrities" * waits)


def _release(chain: Chain) -> Iterator[Need]:
    index, release, model = chain.index, chain.release, chain.model
    if index is None or (release and release.content == index.content):
        return
    if release and release.by_hand and index.at <= release.at:
        return
    learnt = model and model.version == index.model and model.erased_since
    waits = "a training without those who were erased" if learnt or index.erased else ""
    causes = (Cause("face_index", index.at, "there is another index"),)
    yield Need("production_release", causes, Content("face_index", index.version), waits)


def _pairs(chain: Chain) -> Iterator[Need]:
    release = chain.release
    if release and release.content and chain.paired != release.number:
        causes = (Cause("production_release", release.at, "there is another release"),)
        yield Need("twin_pairs", causes)
