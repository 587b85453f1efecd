"""What an operator sees of an index and a release: figures and pictures."""

from collections.abc import Mapping

import dagster as dg
import numpy as np

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.dataset.portrait_file import ShownFaces
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.defs import plots
from twin_matcher_dagster.defs.results import percent
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.gallery_builder import Measurement
from twin_matcher_dagster.release.index_builder import BuiltIndex
from twin_matcher_dagster.storage.records.index import (
    Index,
    OtherClipFigures,
    Scorers,
    StrangerFigures,
)
from twin_matcher_dagster.storage.records.release import Release

CONFUSIONS = 12
_SHOWN = {
    "rank1": "rank-1 (%)",
    "rank5": "rank-5 (%)",
    "rank1_lowest": "rank-1 of the worst identity (%)",
    "eer": "EER (%)",
    "tar_at_far_1e2": "TAR at a FAR of 1% (%)",
    "dir_at_far_1e2": "DIR at a FAR of 1% (%)",
    "dir_at_far_1e2_strangers": "DIR at a FAR of 1%, strangers as the unknown (%)",
    "calibration_error": "calibration error (%)",
}
"""Figure -> how it is shown; see the glossary."""
_PERCENTILES = {
    "cohort": "strangers of the cohort with everybody",
    "gallery": "held-out photos of celebrities with the others",
}


def weights_of(fusion: Fusion) -> dict[str, float]:
    """What each component counts."""
    total = sum(fusion.weights) or 1.0
    return {
        f"weight of the {name} (%)": percent(weight / total)
        for name, weight in zip(fusion.names, fusion.weights, strict=True)
    }


def main_figures(record: Index | Release) -> dict[str, float | str]:
    """The main figures: on held-out faces, of both together and rank-1 of each alone, and what
    strangers are given."""
    strangers = record.strangers
    return {
        **(_on_held_out_faces(record.figures) if record.figures else {}),
        "not judged": " ".join(record.unjudged) or "nothing",
        **(_as_they_came(record.as_they_came) if record.as_they_came else {}),
        **(_of_other_clips(record.other_clips) if record.other_clips else {}),
        **(_of_strangers(strangers) if strangers else {}),
    }


def _on_held_out_faces(figures: Scorers) -> dict[str, float | str]:
    """Of both together, and rank-1 of each alone."""
    fused = figures.fused
    shown = {title: percent(getattr(fused, name)) for name, title in _SHOWN.items()}
    return {
        **{f"held-out {title}": share for title, share in shown.items() if share is not None},
        **({"held-out NLL (nats)": round(fused.nll, 3)} if fused.nll is not None else {}),
        "held-out rank-1, 95% interval": _interval(fused.rank1_interval),
        "held-out rank-1, network alone (%)": percent(figures.resnet.rank1),
        "held-out rank-1, recogniser alone (%)": percent(figures.recogniser.rank1),
        "held-out rank-1, network alone, 95% interval": _interval(figures.resnet.rank1_interval),
        "held-out rank-1 by chance (%)": percent(fused.chance),
        "held-out faces": fused.faces,
    }


def _as_they_came(came: Scorers) -> dict[str, float | str]:
    """With the held-out faces that cleaning left out."""
    return {
        "held-out faces, as they came": came.fused.faces,
        "held-out rank-1, as they came (%)": percent(came.fused.rank1),
        "held-out rank-1, as they came, network alone (%)": percent(came.resnet.rank1),
        "held-out rank-1, as they came, recogniser alone (%)": percent(came.recogniser.rank1),
    }


def _of_other_clips(users: OtherClipFigures) -> dict[str, float | str]:
    """Of users, in clips that are held out."""
    return {
        "users' other clips": f"{users.found} of {users.faces} faces of {users.people} users found",
        "users' other clips, 95% interval by person": _interval(users.interval),
    }


def _interval(ends: tuple[float, float]) -> str:
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}%"


def _of_strangers(strangers: StrangerFigures) -> dict[str, float | str]:
    return {
        "strangers, two photos, same twin (%)": percent(strangers.same_twin),
        "strangers, two photos, within three (%)": percent(strangers.within_three),
        "strangers, commonest twin (%)": percent(strangers.commonest),
        "strangers, likeness as it truly is (rank correlation)": round(strangers.agreement, 3),
        "percentiles of likeness are of": _PERCENTILES[strangers.percentiles_of],
    }


def pictures_of(dataset: Version, built: BuiltIndex) -> dict[str, dg.MetadataValue]:
    """Who is taken for whom, how scores are distributed, and the hardest confusions.

    Nothing where the model had been measured before. Celebrities only: users have no held-out
    faces, and what is shown in Dagster stays there.
    """
    index, measured = built.gallery, built.measurement
    if measured is None or not len(measured.truth):
        return {}
    names = {
        person.identity_id: person.label if person.kind == "celebrity" else "a user"
        for person in dataset.identities
    }
    fused = index.fusion(measured.cosines)
    own = measured.truth[:, None] == np.arange(fused.shape[1])
    truth = [index.identities[i] for i in measured.truth]
    guessed = [index.identities[i] for i in fused.argmax(1)]
    return {
        "confusion matrix": dg.MetadataValue.md(plots.confusion_matrix(truth, guessed, names)),
        "scores": dg.MetadataValue.md(
            plots.score_distributions(
                fused[own], fused[~own], "log-likelihood ratio, held-out faces"
            )
        ),
        "hardest faces": dg.MetadataValue.md(
            plots.hardest_confusions(_hardest(index, measured, fused, names, built.portraits))
        ),
    }


def _hardest(
    index: Gallery,
    measured: Measurement,
    fused: np.ndarray,
    names: Mapping[str, str],
    portraits: ShownFaces,
) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The held-out faces whose own identity is the least ahead of another celebrity, or behind."""
    others = fused.copy()
    others[:, [not is_celebrity(who) for who in index.identities]] = -np.inf
    np.put_along_axis(others, measured.truth[:, None], -np.inf, 1)
    ahead = np.take_along_axis(fused, measured.truth[:, None], 1)[:, 0] - others.max(1)
    shown = []
    for probe in np.argsort(ahead)[:CONFUSIONS]:
        if not np.isfinite(ahead[probe]):  # there is no other celebrity
            continue
        who = index.identities[measured.truth[probe]]
        other = index.identities[others[probe].argmax()]
        verdict = "taken for" if ahead[probe] <= 0 else "almost"
        pair = read_image(measured.probes[probe].image), read_image(portraits[other][0].image)
        shown.append((*pair, f"{names[who]}, {verdict} {names[other]}"))
    return shown
