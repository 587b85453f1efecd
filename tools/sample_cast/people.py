"""People who are drawn: the strangers of the cohort, and those whom the bundled backbone learns from.

Both streams are drawn in one way from seeds of their own: nobody is in both, or in the sample. Sex, main origin and age go round
with the number, so that the first so many are as balanced as all of them; everything else is drawn. What is true of people in
general (grey hair comes with the years, beards grow on men) holds, but nothing is tied to one kind of people alone: men with long
hair, women with a shaved neck.
"""
from __future__ import annotations

import numpy as np

from cast import BLACK, BLOND, BROWN, CHESTNUT, DARK_BROWN, EYES, GINGER, GREY, SOFT_BLACK, WHITE, Person, find

COHORT_SEED, LEARNT_SEED = 7_000_000, 9_000_000               # far from each other, and from those of the sample (below 1,000)
GOLDEN = (5**0.5 - 1) / 2
YOUNGEST, OLDEST = 25, 75
ORIGINS = ("caucasian", "asian", "african")
TONES = {"caucasian": 1.3, "asian": 2.2, "african": 5.2}      # in the middle
DARK_TONE = 4.2                        # above it the skins are African ones, see skin.base_images
COILED = {"female": {"coils": 0.22, "afro": 0.22, "bun": 0.16, "curly": 0.14, "buzz": 0.09, "wavy": 0.06, "long": 0.06, "bob": 0.05},
          "male": {"buzz": 0.32, "coils": 0.29, "shaved": 0.17, "afro": 0.10, "short": 0.05, "curly": 0.04, "bun": 0.03}}
STRAIGHT = {"female": {"bob": 0.19, "long": 0.19, "wavy": 0.16, "fringe": 0.12, "bun": 0.13, "swept": 0.06, "short": 0.06, "side": 0.04,
                       "curly": 0.05},
            "male": {"short": 0.26, "side": 0.20, "swept": 0.19, "buzz": 0.13, "shaved": 0.08, "wavy": 0.04, "long": 0.04, "bun": 0.03,
                     "curly": 0.03}}
SCALES = {"afro": (0.32, 0.60), "curly": (0.6, 0.95), "buzz": (0.6, 1.5), "coils": (0.6, 1.2), "short": (0.7, 1.25)}    # else 0.75 to 1.1
BEARDS = {"none": 0.42, "stubble": 0.19, "short": 0.15, "goatee": 0.08, "moustache": 0.07, "full": 0.09}


def pick(rng: np.random.Generator, chances: dict[str, float]) -> str:
    values = np.array(list(chances.values()))
    return str(rng.choice(list(chances), p=values / values.sum()))


def origins_of(rng: np.random.Generator, main: str) -> dict[str, float]:
    """Shares of three origins: a half of all people are nearly of one, the others of two or three."""
    rest = rng.uniform(0, 0.08) if rng.random() < 0.5 else rng.uniform(0.08, 0.5)
    first, second = (origin for origin in ORIGINS if origin != main)
    part = rng.choice([0.0, 1.0, rng.random()])
    shares = {main: 1 - rest, first: rest * part, second: rest * (1 - part)}
    return {origin: float(shares[origin]) for origin in ORIGINS}


def hair_colour_of(rng: np.random.Generator, tone: float, caucasian: float, years: int) -> tuple[tuple, float]:
    """Colour of a strand and the share of grey strands: by pigment first, then by the years."""
    light = caucasian > 0.55 and tone < 2.4 and rng.random() < 0.8
    steps = [DARK_BROWN, BROWN, CHESTNUT, BLOND] if light else [BLACK, SOFT_BLACK, DARK_BROWN]
    if light and rng.random() < 0.14:
        steps = [CHESTNUT, GINGER]
    place = rng.uniform(0, len(steps) - 1)
    below, share = int(min(place, len(steps) - 2)), place - int(min(place, len(steps) - 2))
    colour = np.array(steps[below]) * (1 - share) + np.array(steps[below + 1]) * share
    greying = float(np.clip((years - 44) / 32 + rng.normal(0, 0.16), 0, 1)) * (rng.random() > 0.15)     # some dye it
    old = np.array(GREY) + (np.array(WHITE) - GREY) * rng.uniform(0, 0.9)
    colour = colour + (old - colour) * greying**1.5
    return tuple(float(value) for value in colour), 0.6 * float(np.sqrt(greying))


def eyes_of(rng: np.random.Generator, caucasian: float, tone: float) -> str:
    if caucasian < 0.5 or tone > 3.2:
        return pick(rng, {"dark": 0.72, "brown": 0.24, "hazel": 0.04})
    return pick(rng, dict(zip(EYES, (0.12, 0.24, 0.16, 0.13, 0.22, 0.13), strict=True)))


def cohort_person(number: int) -> Person:
    """One of the cohort; ``s-00012`` is number 12."""
    return drawn(COHORT_SEED, number, f"s-{number:05d}", "cohort", f"Stranger {number}")


def random_person(number: int) -> Person:
    """One of those who are learnt from; not looked at one by one."""
    return drawn(LEARNT_SEED, number, f"random{number}", "random", f"Random Person {number}")


def person_of(key: str) -> Person:
    """One of the sample, or ``random<number>``."""
    return random_person(int(key.removeprefix("random"))) if key.startswith("random") else find(key)


def drawn(seed: int, number: int, key: str, role: str, name: str) -> Person:
    """A person of a stream."""
    rng = np.random.default_rng([seed, number])          # not the one that shape and skin are drawn from
    gender = ("female", "male")[number % 2]
    main = ORIGINS[(number // 2) % 3]
    years = YOUNGEST + int((OLDEST - YOUNGEST + 1) * ((0.5 + number * GOLDEN) % 1))
    origins = origins_of(rng, main)
    tone = sum(TONES[origin] * share for origin, share in origins.items()) + rng.normal(0, 0.85)
    if main == "caucasian" and rng.random() < 0.2:
        tone = rng.uniform(2.6, 4.1)                 # of North Africa, of the Near East, of India
    low, high = (3.3, 6.0) if origins["african"] > 0.5 else (0.1, DARK_TONE)
    tone = float(np.clip(tone, low + rng.uniform(0, 0.4), high - rng.uniform(0, 0.4)))
    coiled = rng.random() < 1.1 * origins["african"]
    hair = pick(rng, (COILED if coiled else STRAIGHT)[gender])
    colour, grey = hair_colour_of(rng, tone, origins["caucasian"], years)
    loses = gender == "male" and rng.random() < 0.25 + (years - YOUNGEST) / 90
    freckled = tone < 2 and rng.random() < 0.25
    return Person(
        key, seed + number, gender, years, origins, tone, hair, colour, eyes_of(rng, origins["caucasian"], tone),
        beard=pick(rng, BEARDS) if gender == "male" else "none", grey=grey,
        recede=float(rng.uniform(0.1, 0.35 + (years - YOUNGEST) / 110)) if loses else 0.0,
        weight=float(rng.triangular(-0.7, 0.05, 0.9)), brow_thickness=float(np.exp(rng.normal(0.05, 0.22))),
        freckles=float(rng.uniform(0.2, 0.8)) if freckled else 0.0, hair_scale=float(rng.uniform(*SCALES.get(hair, (0.75, 1.1)))),
        part=float(rng.uniform(-0.35, 0.35)), amplitude=float(rng.uniform(0.6, 0.8)), gender_share=float(rng.uniform(0.75, 1.0)),
        role=role, name=name)
