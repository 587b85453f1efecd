"""The cards of what is published: the figures are those of the version, never typed by hand.

A card's head is YAML that the Hub and `datasets` read
(https://huggingface.co/docs/hub/datasets-cards); under ``twin_matcher`` it has what the card is
made from, so that a card can be made anew without the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import yaml

from twin_matcher_dagster.dataset.schema import SPLITS, Face


@dataclass(frozen=True)
class DatasetFigures:
    """What the card of a data set says.

    Attributes:
        faces: how many, by split; a split without faces is not named.
        celebrities, users: how many people.
        source: where the celebrities' faces are from.
        license: as the Hub names it.
    """

    faces: Mapping[str, int]
    celebrities: int
    users: int
    source: str
    license: str


@dataclass(frozen=True)
class ModelFigures:
    """What the card of a model says.

    Attributes:
        people: how many it tells apart.
        users: how many of them are users.
        backbone: what training started from.
        held_out: of the network alone, see ``recognition.evaluation.Evaluation``; None where no
            face is held out.
        other_clips: of both networks together, see ``release.other_clips``; None without any.
        unjudged: what could not be judged, a sentence each.
        license: as the Hub names it.
        invented: whether its celebrities are renderings, who do not exist.
    """

    people: int
    users: int
    backbone: str
    held_out: Mapping[str, Any] | None
    other_clips: Mapping[str, Any] | None
    unjudged: Sequence[str]
    license: str
    invented: bool = False


def dataset_card(figures: DatasetFigures) -> str:
    """The card of a data set, in Markdown; equal figures give equal text."""
    splits = [split for split in SPLITS if figures.faces.get(split)]
    head = {
        "license": figures.license,
        "pretty_name": "Twin Matcher faces",
        "task_categories": ["image-classification"],
        "tags": ["face", "twin-matcher"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}/*.parquet"} for split in splits
                ],
            }
        ],
        "dataset_info": {
            "features": _features(),
            "splits": [{"name": s, "num_examples": figures.faces[s]} for s in splits],
        },
        "twin_matcher": asdict(figures),
    }
    rows = "\n".join(f"| {split} | {figures.faces[split]:,} |" for split in splits)
    return f"""{_front(head)}
# Twin Matcher faces

Aligned face crops, 160 x 160 pixels, of {figures.celebrities:,} celebrities and {figures.users:,} \
users of Twin Matcher, from which it learns who looks like whom.

| split | faces |
|---|---|
{rows}

A photo, and everything that one user handed in, is in one split only.

## Provenance

The celebrities' faces are from {figures.source}; they were found with RetinaFace, aligned, \
cleaned of duplicates and non-faces, and balanced. The users' faces are from clips that these \
people recorded of themselves.

## Consent

Every user in it is 18 or older by their own word, agreed to the use of their pictures, and \
agreed to this publication in a separate answer; no other user's faces or names are here. Who is \
erased is taken out of it, of its tags and of its history. Celebrities were not asked; whether \
their faces may be used is between the publisher and the source.

## Licence

{_license(figures.license)}

## Intended use

Showing how a look-alike system is built and measured. Out of scope: identifying, tracking or \
profiling people without their consent, and any decision about them. The labels are names as the \
source or the user gave them; nobody checked them.
"""


def figures_in_card(card: bytes) -> DatasetFigures:
    """The figures that :func:`dataset_card` made a card from.

    Raises:
        ValueError: the card is not one of ours.
    """
    try:
        return DatasetFigures(**yaml.safe_load(card.split(b"\n---", 1)[0])["twin_matcher"])
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ValueError("this card was not made here") from error


def model_card(figures: ModelFigures) -> str:
    """The card of a model, in Markdown; equal figures give equal text."""
    head = {
        "license": figures.license,
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "tags": ["face", "twin-matcher"],
        "twin_matcher": asdict(figures) | {"unjudged": list(figures.unjudged)},
    }
    return f"""{_front(head)}
# Twin Matcher

A ResNet that tells {figures.people:,} people apart ({figures.users:,} of them users who agreed to \
its publication), fine-tuned from `{figures.backbone}` by Twin Matcher. Its pooled features, \
through the affine map in `neck.safetensors` and at length 1, are what look-alikes are searched \
with, together with a face recogniser.

```python
pipeline("image-classification", model="...")  # aligned face crops of 160 x 160 pixels
```

## Measured

{_on_held_out_faces(figures.held_out)}
{_in_other_clips(figures.other_clips)}{_not_judged(figures.unjudged)}
## Data and consent

{_INVENTED * figures.invented}\
Celebrities' faces, and those of users who are 18 or older by their own word and agreed, in \
separate answers, to the use of their pictures and to this publication. A model that learned from \
any other user is not published. If one of them is erased, this model is withdrawn.

## Limits

It knows these people and gives one of their names to any face; a high share says nothing about \
whether it is that person. It was not measured across age, skin tone, gender or light, and will be \
worse for those whom its data has few of. The face recogniser beside it was measured on 8 groups \
of 200 strangers: pairs of different people of one group are taken for one person up to 4.4 times \
as often as pairs of another group (95% interval 3.3 to 6.1).

## Intended use

Showing how a look-alike system is built and measured. Out of scope: identifying people without \
their consent, access control, surveillance, and any decision about people.

## Licence

{_license(figures.license)}
"""


_INVENTED = """**Its celebrities are invented**: rendered people of Twin Matcher's sample, who do \
not exist.

"""

WITHDRAWN = """---
tags:
- twin-matcher
---

# Withdrawn

This model learned from somebody who was erased since. The next release will be here.
"""


def _on_held_out_faces(held_out: Mapping[str, Any] | None) -> str:
    """A table of figures, or that there are none."""
    if held_out is None:
        return "Nothing: no face of the people it knows was held out.\n"
    # Among five of five people everybody is.
    among = f"| the person is among the five most similar | {held_out['rank5']:.1%} |\n"
    return f"""On {held_out["faces"]:,.0f} held-out faces of the people it knows, from photos that \
it never saw:

| | share |
|---|---|
| the person is the most similar one | {held_out["rank1"]:.1%} |
{among if held_out["identities"] > 5 else ""}\
| the most similar one, for the person it knows worst | {held_out["rank1_lowest"]:.1%} |
| always naming the most frequent person | {held_out["chance"]:.1%} |
"""


def _not_judged(unjudged: Sequence[str]) -> str:
    """A paragraph about what too few faces or people leave open."""
    if not unjudged:
        return ""
    return "\n### Not judged\n\n" + "".join(f"- {sentence}\n" for sentence in unjudged)


def _in_other_clips(users: Mapping[str, Any] | None) -> str:
    """A paragraph about users, who have held-out faces where they handed in a second clip."""
    if not users:
        return ""
    low, high = users["interval"]
    return f"""
Of users, in other clips of theirs: {users["found"]:,} of {users["faces"]:,} faces of \
{users["people"]:,} people find them, with the face recogniser's help (95% interval {low:.1%} to \
{high:.1%}, by person).
"""


def _license(name: str) -> str:
    if name == "other":
        return "None was chosen: ask the publisher before any use."
    return f"`{name}`, as far as the publisher may give it."


def _front(head: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"


def _features() -> list[dict[str, str]]:
    """The columns of a shard, as `datasets` names their types."""
    types = {"bytes": "image", "float": "float32"}
    return [
        {"name": field.name, "dtype": types.get(str(field.type), "string")}
        for field in fields(Face)
    ]
