"""Make the backbone that ships: a small ResNet that learnt from a recogniser, on rendered faces.

    python tools/pretrain/pretrain.py --renders tools/sample_cast/work/renders

What is done is kept in --work (faces, vectors, checkpoints): stop it and start it again at will.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from faces import SIZE, compose, crops_of, taught
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SAMPLE, SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.checkpoints import newest_whole
from twin_matcher_dagster.training.learner import centred

HERE = Path(__file__).resolve().parent
HELD_OUT_PEOPLE = 12
SHAPE_WEIGHT = 10.0


class Pupil(nn.Module):
    """A network that learns to say what the recogniser says, and to see the same likenesses."""

    centre: torch.Tensor

    def __init__(self, net: TwinNet, centre: torch.Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("centre", centre)

    def forward(self, images: torch.Tensor, teacher: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss of a batch: uint8 RGB [n, 112, 112, 3], float32 [n, 128].

        Beside the vectors themselves, the cosines between the faces of a batch (Tung & Mori 2019,
        https://arxiv.org/abs/1907.09682): they shape the embedding, not the map that leads from it.
        Both without what all faces have in common, which tells nobody from anybody.
        """
        pixels = self.net.preprocessing(images)
        if self.training:
            # The recogniser saw exactly these pixels; mirrored, it says nearly the same.
            # By torch's own generator, whose state is in every checkpoint.
            mirrored = torch.rand(len(pixels)) < 0.5
            pixels[mirrored] = pixels[mirrored].flip(3)
        aim = centred(teacher, self.centre)
        normal = self.net.neck(self.net.features(pixels))
        unit = functional.normalize(normal, dim=1)
        away = self.net.away(normal, aim)
        shape = functional.mse_loss(unit @ unit.T, aim @ aim.T)
        return {"loss": away.mean() + SHAPE_WEIGHT * shape, "away": away}


class Pairs(torch.utils.data.Dataset):
    """Faces and what the recogniser says of them, in batches; on a GPU from the start."""

    def __init__(self, faces: np.ndarray, vectors: np.ndarray) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.faces = torch.from_numpy(faces).to(device)
        self.vectors = torch.from_numpy(vectors).to(device)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {"images": self.faces[indices], "teacher": self.vectors[indices]}


class Report(TrainerCallback):
    """A line now and then."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        print(json.dumps({k: round(v, 5) for k, v in (logs or {}).items()}), flush=True)


def prepare(renders: Path, work: Path, count: int) -> tuple[Pairs, Pairs, str]:
    """Faces to learn from, and faces of people who are kept out of them.

    Returns:
        Both, and a name for them: other renders, or another way to make faces, have another one.
    """
    digest = hashlib.sha256((HERE / "faces.py").read_bytes())
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
    made = compose(crops[~kept_out], people[~kept_out], count, 0, folder / "made.npy")
    train = Pairs(made, taught(made, folder / "vectors.npy"))
    return train, Pairs(crops[kept_out], taught(crops[kept_out], folder / "told.npy")), name


def main() -> None:
    """Render, compose, ask, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renders", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--faces", type=int, default=300_000, help="how many are composed")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--output", type=Path, default=SAMPLE / "backbone")
    arguments = parser.parse_args()
    # Whole batches: BatchNorm cannot learn from a face that is left over.
    count = arguments.faces // arguments.batch * arguments.batch
    if not count:
        raise SystemExit(f"--faces {arguments.faces} is less than one batch of {arguments.batch}.")
    train, held_out, name = prepare(arguments.renders, arguments.work, count)
    set_seed(0)
    model, _ = load_backbone(SMALL_BACKBONE, {"nobody": "", "somebody": ""})
    processor = image_processor(SMALL_BACKBONE)
    net = TwinNet(model, Preprocessing.of(processor))
    trainer = Trainer(
        model=Pupil(net, train.vectors.mean(0)),
        args=TrainingArguments(
            output_dir=str(
                arguments.work / f"checkpoints-{name}-{arguments.epochs}-{arguments.batch}"
            ),
            num_train_epochs=arguments.epochs,
            per_device_train_batch_size=arguments.batch,
            per_device_eval_batch_size=128,
            bf16=torch.cuda.is_available(),
            learning_rate=3e-3,
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
        train_dataset=train,
        eval_dataset=held_out,
        data_collator=lambda batch: batch,
        compute_metrics=lambda said: {"cosine": float(1 - np.mean(said.predictions))},
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
    print(json.dumps({"faces": len(train), "side": SIZE, "neck": NECK_FILE, "bytes": sizes}))


if __name__ == "__main__":
    main()
