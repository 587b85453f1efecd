"""How a training ends: with the mean of the weights before and after it, and everybody's row.

Fine-tuning makes a network better for whom it learns, and may make it worse for whoever comes later
(Kumar et al. 2022, https://arxiv.org/abs/2202.10054). The mean of both weights has most of the gain
and little of the harm (WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903). Which mean
is best depends on backbone and data: newcomers decide, people who were kept out of the training.
"""

from __future__ import annotations

import copy
from itertools import chain

import numpy as np
import torch
from torch.nn import functional

from twin_matcher_dagster.dataset.identity import is_celebrity
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.storage.records.training import Newcomers, TriedShare
from twin_matcher_dagster.training.backbone import give_head
from twin_matcher_dagster.training.newcomers import ASKED, ENROLLED, Lessons
from twin_matcher_dagster.training.plan import LabelledFaces

SHARES = (1.0, 0.5, 0.25)
"""Of the weights after a training, that are tried.

Of the bundled backbone, 12 epochs on 13 real celebrities: the loss was least at 0.35, and at 0 and
1 a quarter above that.
"""
UNASKED_SHARE = 0.5
"""Where nobody could be kept out: newcomers were known as well by it as by the best one."""


class Blender:
    """The networks between two.

    Args:
        before: the network before a training.
        after: the network after it.
        lessons: what it was trained on, and who was kept out.

    Attributes:
        lessons: the same.
    """

    def __init__(self, before: TwinNet, after: TwinNet, lessons: Lessons) -> None:
        self._before, self._after, self.lessons = before, after, lessons
        self._people = list(lessons.labels)
        self._device = str(after.head.weight.device)

    def choose(self, scale: float) -> Newcomers:
        """Compare shares: that with the least loss, of the learnt and of newcomers alike, is best.

        Everybody is known by as few photos as a newcomer.

        Args:
            scale: of cosines to logits.
        """
        tried = tuple(self._try(share, scale) for share in SHARES)
        return Newcomers(
            identities=tuple(self._people[n] for n in np.unique(self.lessons.newcomers.classes)),
            share=min(tried, key=lambda one: one.loss).share,
            tried=tried,
        )

    def blend(self, share: float, learnt: LabelledFaces, newcomers: LabelledFaces) -> TwinNet:
        """The mean of both networks, which knows people by their faces.

        The batch statistics are the mean too. To take them anew of the faces, as a mean of distant
        weights would need it (Izmailov et al. 2018), was measured, and no better.

        Args:
            share: of the network after the training, 0 to 1.
            learnt, newcomers: faces of everybody. The metric is fitted on celebrities who were
                learnt where there are two: all faces of an upload may be of one clip, in one light,
                and tell little of how photos of one person differ.
        """
        net = copy.deepcopy(self._after)
        head = {id(parameter) for parameter in net.head.parameters()}
        old = {**dict(self._before.named_parameters()), **dict(self._before.named_buffers())}
        for name, now in (*net.named_parameters(), *net.named_buffers()):
            if now.is_floating_point() and id(now) not in head:
                now.data.lerp_(old[name].to(now), 1 - share)
        give_head(net.model, self.lessons.labels)
        net.to(self._device)
        shown = set(learnt.classes.tolist())
        celebrities = {number for number in shown if is_celebrity(self._people[number])}
        batches = (some.prepared(net.preprocessing, self._device) for some in (learnt, newcomers))
        net.imprint(
            chain(*batches),
            shown | set(newcomers.classes.tolist()),
            celebrities if len(celebrities) > 1 else shown,
        )
        return net

    def _try(self, share: float, scale: float) -> TriedShare:
        """How well people are known with a share."""
        learnt, newcomers = self.lessons.learnt, self.lessons.newcomers
        turn, new_turn = _turns(learnt.classes), _turns(newcomers.classes)
        net = self.blend(
            share, learnt.where(turn < ENROLLED), newcomers.where(new_turn < ENROLLED)
        ).eval()
        further = (new_turn >= ENROLLED) & (new_turn < ENROLLED + ASKED)
        asked = (newcomers.where(further), self.lessons.validation)
        right, losses = [], []
        with torch.no_grad():
            rows = functional.normalize(net.head.weight, dim=1)
            for pixels, classes in chain(
                *(a.prepared(net.preprocessing, self._device) for a in asked)
            ):
                logits = scale * net.embed(pixels) @ rows.T
                right.append(logits.argmax(1) == classes)
                losses.append(functional.cross_entropy(logits, classes, reduction="none"))
        found, loss = (torch.cat(one).cpu().numpy() for one in (right, losses))
        is_new = np.isin(np.concatenate([a.classes for a in asked]), newcomers.classes)
        return TriedShare(
            share=share,
            learnt=float(found[~is_new].mean()),
            newcomers=float(found[is_new].mean()),
            loss=float(loss[~is_new].mean() + loss[is_new].mean()) / 2,
        )


def _turns(classes: np.ndarray) -> np.ndarray:
    """Which of its class's faces each one is, from 0: int64 [n]."""
    turn = np.zeros(len(classes), np.int64)
    for number in np.unique(classes):
        own = np.flatnonzero(classes == number)
        turn[own] = np.arange(len(own))
    return turn
