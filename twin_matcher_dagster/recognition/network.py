"""The network while it is being trained: a classifier, a neck before its head, and a teacher.

The classifier is any image classifier of `transformers` whose logits are a linear layer of its
features. Between the two stands a neck (BNNeck, Luo et al. 2019,
https://arxiv.org/abs/1903.07071): features are centred and scaled, and brought to length 1. That
unit vector is the embedding. It is asked to

- be near its own identity's row of the head and away from others', by a margin (CosFace, Wang et
  al. 2018, https://arxiv.org/abs/1801.09414), and
- tell what the reference recogniser tells of the same face (distillation, Hinton et al. 2015),
  through a linear map that only training needs. What the recogniser says of all faces alike is
  taken off first: it tells nobody from anybody, and centred features cannot say it.

After training, embeddings get a metric: the inverse of the covariance within people, so that they
are compared by what tells one person from another rather than one photo from another (within-class
covariance normalisation, Hatch et al. 2006, https://doi.org/10.21437/Interspeech.2006-183). That
holds for people too whom no training saw.

What is saved is a plain classifier: neck and metric are an affine map, so they are folded into the
head.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.preprocessing import Preprocessing

NECK_FILE = "neck.safetensors"
TEACHER_DIMENSIONS = 128
METRIC_SHRINKAGE = 1.0
"""Of the mean variance, added to the covariance within people.

Of 18 real celebrities, 20 or 85 photos each, 1 gave newcomers the best rank-1 by the bundled
backbone, whoever of them the metric was fitted on, from 4 people up; 0.3 and 3 up to 2 points less.
"""


def head_of(model: Any) -> nn.Linear:
    """The layer from features to logits.

    Raises:
        TrainingError: there is none: the logits are no linear layer of features.
    """
    count = model.config.num_labels
    layers = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == count]
    if not layers:
        raise TrainingError(
            f"The backbone ({model.config.model_type}) has no linear classification layer. Set "
            "BACKBONE to an image classifier that has one, such as microsoft/resnet-50."
        )
    return layers[-1]


class TwinNet(nn.Module):
    """An image classifier with a neck.

    Args:
        model: of `transformers`, with a linear head.
        preprocessing: how faces become its input.
        folder: where an earlier training left its neck; without one it starts as the identity.
    """

    metric: torch.Tensor

    def __init__(
        self, model: Any, preprocessing: Preprocessing, folder: Path | None = None
    ) -> None:
        super().__init__()
        # What CPUs and GPUs convolve fastest.
        self.model = model.to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        dimensions = self.head.in_features
        self.neck: Any = nn.BatchNorm1d(dimensions, affine=False, eps=1e-4)
        self.projection = nn.Linear(dimensions, TEACHER_DIMENSIONS, bias=False)
        self.register_buffer("metric", torch.eye(dimensions), persistent=False)
        self._frozen: list[nn.Module] = []
        self.register_state_dict_post_hook(_in_order)
        if folder is not None and (folder / NECK_FILE).is_file():
            self._read_neck(folder / NECK_FILE)

    def _read_neck(self, file: Path) -> None:
        kept = load_file(file)
        self.neck.running_mean.copy_(kept["mean"])
        self.neck.running_var.copy_(kept["deviation"] ** 2 - self.neck.eps)
        self.projection.weight.data.copy_(kept["projection"])
        # Back from the folded head, see `export`.
        self.head.weight.data *= kept["deviation"]
        if "metric" in kept:  # a backbone compares as if there were none
            self.metric.copy_(kept["metric"])
            folded = self.head.weight.data.double()
            rows = torch.linalg.solve(kept["metric"].double(), folded, left=False)
            self.head.weight.data.copy_(rows)

    def freeze(self, stages: int) -> None:
        """Leave the stem of a ResNet and so many of its stages as they are, for good.

        They see edges and textures, which are everybody's, and they are where most of the time
        goes: nothing is to be differentiated through them. The last two stages are never frozen,
        and nothing of what is no ResNet.
        """
        base = self.model.base_model
        if hasattr(base, "embedder") and hasattr(base, "encoder"):
            frozen = base.encoder.stages[: max(0, min(stages, len(base.encoder.stages) - 2))]
            self._frozen = [base.embedder, *frozen] if len(frozen) else []
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> TwinNet:
        """As ever, but what is frozen does not follow the statistics of batches either."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    @property
    def head(self) -> nn.Linear:
        """The classifier's last layer; it is registered once, in the model."""
        return head_of(self.model)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """What goes into the head: float [n, dimensions]."""
        return features_of(self.model, self.head, pixels)

    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unit vectors: float [n, dimensions]."""
        return self.place(self.neck(self.features(pixels)))

    def place(self, normal: torch.Tensor) -> torch.Tensor:
        """Unit vectors in the metric: float [n, dimensions], of features behind the neck."""
        return functional.normalize(normal @ self.metric.T, dim=1)

    def fit_metric(self, normal: torch.Tensor, classes: torch.Tensor) -> None:
        """Measure by what tells people apart rather than photos of one person.

        Args:
            normal: features behind the neck, float [n, dimensions], of several photos a person.
            classes: int64 [n], whose. Where nobody has two photos that differ, nothing changes.
        """
        # On the CPU: not every device has double precision.
        faces, classes = normal.cpu().double(), classes.cpu()
        photos = classes.bincount()
        sums = faces.new_zeros(len(photos), faces.shape[1]).index_add_(0, classes, faces)
        apart = faces - sums[classes] / photos[classes, None]
        within = apart.T @ apart / len(apart)
        spread = within.diagonal().mean()
        if not (spread > 0 and spread.isfinite()):
            return
        within.diagonal().add_(METRIC_SHRINKAGE * spread)
        whitening = torch.linalg.inv(torch.linalg.cholesky(within))
        # As long as before, on average: logits of the plain model are scaled by that.
        longer = (faces @ whitening.T).square().sum() / faces.square().sum()
        self.metric.copy_(whitening / longer.sqrt())

    def forget_metric(self) -> None:
        """Compare as if no metric had been fitted; the rows follow, as long as they are."""
        rows = self.head.weight.data
        plain = torch.linalg.solve(self.metric.T.double(), rows.double(), left=False)
        lengths = rows.double().norm(dim=1, keepdim=True) / plain.norm(dim=1, keepdim=True)
        rows.copy_(plain * lengths)
        self.metric.copy_(torch.eye(len(self.metric)))

    def distillation_loss(self, normal: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
        """How far what the projection tells is from the teacher, see :func:`distance_to_teacher`.

        Args:
            normal: features behind the neck, float [n, dimensions].
            aim: the teacher's vectors as :func:`~.training.learner.centred` gives them.
        """
        return distance_to_teacher(self.projection(normal), aim)

    def imprint(
        self,
        batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
        rows: set[int],
        measuring: Iterable[int] = (),
    ) -> None:
        """Give identities a row of the head: the mean of their embeddings (Qi et al. 2018).

        Args:
            batches: pixels and classes of faces.
            rows: the classes that are to get one.
            measuring: classes by whose faces the metric is fitted before; none to leave it.
        """
        was_training = self.training
        self.eval()
        with torch.no_grad():
            parts = [(self.neck(self.features(pixels)), of) for pixels, of in batches]
            normal, classes = (torch.cat(part) for part in zip(*parts, strict=True))
            known = torch.isin(classes, torch.tensor(list(measuring), device=classes.device))
            self.fit_metric(normal[known], classes[known])
            embeddings = self.place(normal)
            for row in rows:
                # As long as the others: the optimizer turns a longer row more slowly.
                self.head.weight[row] = functional.normalize(
                    embeddings[classes == row].mean(0), dim=0
                )
        self.train(was_training)

    def export(self, folder: Path, scale: float, processor: Any) -> None:
        """Write a standard model folder: neck and metric are folded into the head.

        With unit rows W, metric M and z = (f - mean) / deviation, the logits are
        scale * W M z / sqrt(d): the cosines, but for the length of M z, which is about sqrt(d).
        """
        mean = self.neck.running_mean
        deviation = (self.neck.running_var + self.neck.eps).sqrt()
        rows = functional.normalize(self.head.weight.detach(), dim=1)
        folded = rows @ self.metric * (scale / len(mean) ** 0.5) / deviation
        with torch.no_grad():
            self.head.weight.copy_(folded)
            self.head.bias.copy_(-folded @ mean)
        self.model.save_pretrained(folder)
        processor.save_pretrained(folder)
        tensors = {
            "mean": mean,
            "deviation": deviation,
            "projection": self.projection.weight,
        }
        if not torch.equal(self.metric, torch.eye(len(mean), device=mean.device)):
            tensors["metric"] = self.metric
        save_file(
            {k: v.detach().float().cpu().contiguous() for k, v in tensors.items()},
            folder / NECK_FILE,
        )


def distance_to_teacher(told: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    """1 - cosine, float [n], of vectors and a teacher's unit vectors, float [n, dimensions]."""
    return 1 - (functional.normalize(told, dim=1) * aim).sum(1)


def _in_order(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Tensors as files have them: safetensors knows no channels last."""
    for name in [name for name in state if name.startswith(prefix)]:
        state[name] = state[name].contiguous()


def features_of(model: Any, head: nn.Linear, pixels: torch.Tensor) -> torch.Tensor:
    """Run a classifier up to its head: float [n, dimensions]."""
    caught: list[torch.Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    try:
        model(pixel_values=pixels)
    finally:
        handle.remove()
    return caught[0]
