"""Make the backbone that ships: a small ResNet that learns from its teachers, on rendered faces.

    python tools/pretrain/pretrain.py --renders tools/sample_cast/work/renders

What is done is kept in --work (faces, vectors, checkpoints): stop it and start it again at will.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from faces import SIZE, compose, crops_of, parents, people_in
from safetensors.numpy import load_file, save_file
from teachers import likeness_network, recogniser, taught, truth_of
from torch import nn
from torch.nn import functional
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet, distance_to_teacher
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SAMPLE, SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.learner import centred

HERE = Path(__file__).resolve().parent
HELD_OUT_PEOPLE = 12
SHAPE_WEIGHT = 10.0
# Beside the recogniser's 1.
WEIGHTS = {"likeness": 0.0, "truth": 0.0}
NETWORKS = {"recogniser": recogniser, "likeness": likeness_network}


@dataclass(frozen=True)
class Lesson:
    """What one teacher says, float32 [n, numbers] each: of faces to learn from, of others."""

    name: str
    weight: float
    learnt: np.ndarray
    kept_out: np.ndarray


class Pupil(nn.Module):
    """A network that learns to say what its teachers say, and to see the same likenesses."""

    def __init__(self, net: TwinNet, lessons: Sequence[Lesson]) -> None:
        super().__init__()
        self.net = net
        total = sum(lesson.weight for lesson in lessons)
        self.weights = [lesson.weight / total for lesson in lessons]
        self.sizes = [lesson.learnt.shape[1] for lesson in lessons]
        self.register_buffer(
            "centre", torch.cat([torch.from_numpy(one.learnt.mean(0)) for one in lessons])
        )
        # The first teacher's map stays with the network: fine-tuning asks that teacher again.
        dimensions = net.head.in_features
        self.maps = nn.ModuleList(nn.Linear(dimensions, n, bias=False) for n in self.sizes[1:])

    def forward(self, images: torch.Tensor, teacher: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss of a batch: uint8 RGB [n, 112, 112, 3], float32 [n, numbers of all teachers].

        Beside the vectors themselves, the cosines between the faces of a batch (Tung & Mori 2019,
        https://arxiv.org/abs/1907.09682): they shape the embedding, not the map that leads from it.
        Both without what all faces have in common, which tells nobody from anybody.
        """
        pixels = self.net.preprocessing(images)
        if self.training:
            # The teachers saw exactly these pixels; mirrored, they say nearly the same.
            # By torch's own generator, whose state is in every checkpoint.
            mirrored = torch.rand(len(pixels)) < 0.5
            pixels[mirrored] = pixels[mirrored].flip(3)
        normal = self.net.neck(self.net.features(pixels))
        unit = functional.normalize(normal, dim=1)
        said = teacher.split(self.sizes, 1)
        aims = [centred(*one) for one in zip(said, self.centre.split(self.sizes), strict=True)]
        maps = [self.net.projection, *self.maps]
        away = [
            distance_to_teacher(read(normal), aim) for read, aim in zip(maps, aims, strict=True)
        ]
        alike = sum(w * aim @ aim.T for w, aim in zip(self.weights, aims, strict=True))
        loss = SHAPE_WEIGHT * functional.mse_loss(unit @ unit.T, alike)
        loss = loss + sum(w * one.mean() for w, one in zip(self.weights, away, strict=True))
        return {"loss": loss, "away": torch.stack(away, 1)}


class Pairs(torch.utils.data.Dataset):
    """Faces and what the teachers say of them, in batches; on a GPU from the start."""

    def __init__(self, faces: np.ndarray, told: Sequence[np.ndarray]) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.faces = torch.from_numpy(faces).to(device)
        self.told = torch.from_numpy(np.hstack(told)).to(device)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {"images": self.faces[indices], "teacher": self.told[indices]}


class Report(TrainerCallback):
    """A line now and then."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        print(json.dumps({k: round(v, 5) for k, v in (logs or {}).items()}), flush=True)


def prepare(
    renders: Path, work: Path, count: int, weights: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray, list[Lesson], str]:
    """Faces to learn from, faces of people who are kept out of them, and the lessons.

    Returns:
        All three, and a name for them: other renders, and another way to make faces or to ask the
        teachers, have another one.
    """
    sources = [(HERE / name).read_bytes() for name in ("faces.py", "teachers.py")]
    digest = hashlib.sha256(b"".join(sources))
    for path in sorted(renders.glob("random*/view_*.png")):
        digest.update(f"{path.parent.name}/{path.name}".encode() + path.read_bytes())
    name = f"{count}-{digest.hexdigest()[:12]}"
    folder = work / f"faces-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "found.safetensors").exists():
        crops, people = crops_of(renders)
        shown = len(np.unique(people))
        if shown < HELD_OUT_PEOPLE + 2:
            raise SystemExit(
                f"{renders} shows {shown} people, and {HELD_OUT_PEOPLE} are kept out of the "
                "training. Render more of them: see README.md."
            )
        save_file({"crops": crops, "people": people}, folder / "found.part")
        (folder / "found.part").rename(folder / "found.safetensors")
    found = load_file(folder / "found.safetensors")
    crops, people = found["crops"], found["people"]
    kept_out = np.isin(people, np.unique(people)[:HELD_OUT_PEOPLE])
    print(f"{len(crops)} faces of {len(np.unique(people))} people, {kept_out.sum()} kept out")
    others, theirs = crops[kept_out], people[kept_out]
    crops, people = crops[~kept_out], people[~kept_out]
    made = compose(crops, people, count, 0, folder / "made.npy")
    lessons = []
    for teacher, weight in weights.items():
        if not weight:
            continue
        if teacher == "truth":
            truth = truth_of(renders, [path.name for path in people_in(renders)])
            rows, share = parents(people, count, 0)
            one, other = truth[people[rows]].swapaxes(0, 1)
            learnt, told = share[:, None] * one + (1 - share[:, None]) * other, truth[theirs]
        else:
            learnt, told = (
                taught(faces, folder / f"{teacher}-{part}.npy", NETWORKS[teacher])
                for part, faces in (("made", made), ("kept out", others))
            )
        lessons.append(Lesson(teacher, weight, learnt, told))
    return made, others, lessons, name


def main() -> None:
    """Render, compose, ask, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renders", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--faces", type=int, default=300_000, help="how many are composed")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument(
        "--backbone", default=SMALL_BACKBONE, help="to start from: a folder or a Hub id"
    )
    parser.add_argument("--rate", type=float, default=3e-3, help="of learning, at its highest")
    for teacher, weight in WEIGHTS.items():
        parser.add_argument(
            f"--{teacher}", type=float, default=weight, help="weight of this teacher"
        )
    parser.add_argument("--output", type=Path, default=SAMPLE / "backbone")
    arguments = parser.parse_args()
    # Whole batches: BatchNorm cannot learn from a face that is left over.
    count = arguments.faces // arguments.batch * arguments.batch
    if not count:
        raise SystemExit(f"--faces {arguments.faces} is less than one batch of {arguments.batch}.")
    weights = {"recogniser": 1.0, **{name: getattr(arguments, name) for name in WEIGHTS}}
    made, others, lessons, name = prepare(arguments.renders, arguments.work, count, weights)
    set_seed(0)
    model, _ = load_backbone(arguments.backbone, {"nobody": "", "somebody": ""})
    processor = image_processor(arguments.backbone)
    net = TwinNet(model, Preprocessing.of(processor))
    about = (name, arguments.backbone, arguments.epochs, arguments.batch, arguments.rate, weights)
    run = hashlib.sha256(repr(about).encode()).hexdigest()[:12]
    trainer = Trainer(
        model=Pupil(net, lessons),
        args=TrainingArguments(
            output_dir=str(arguments.work / f"checkpoints-{run}"),
            num_train_epochs=arguments.epochs,
            per_device_train_batch_size=arguments.batch,
            per_device_eval_batch_size=128,
            bf16=torch.cuda.is_available(),
            learning_rate=arguments.rate,
            lr_scheduler_type="cosine",
            warmup_steps=200,
            weight_decay=0.05,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            logging_steps=50,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["teacher"],
            dataloader_pin_memory=False,
            seed=0,
        ),
        train_dataset=Pairs(made, [lesson.learnt for lesson in lessons]),
        eval_dataset=Pairs(others, [lesson.kept_out for lesson in lessons]),
        data_collator=lambda batch: batch,
        compute_metrics=lambda said: {
            f"cosine_{lesson.name}": float(1 - np.mean(column))
            for lesson, column in zip(lessons, said.predictions.T, strict=True)
        },
        callbacks=[Report()],
    )
    begun = newest_whole(Path(trainer.args.output_dir))
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    torch.nn.init.zeros_(net.head.weight)  # it has learnt nobody
    net.cpu().export(arguments.output, 1.0, processor)
    net.model.half().save_pretrained(arguments.output)
    # Half of the bytes; whoever loads it gets what processors and trainers expect.
    net.model.config.dtype = "float32"
    net.model.config.save_pretrained(arguments.output)
    sizes = {path.name: path.stat().st_size for path in sorted(arguments.output.iterdir())}
    print(json.dumps({"faces": count, "side": SIZE, "neck": NECK_FILE, "bytes": sizes}))


if __name__ == "__main__":
    main()
