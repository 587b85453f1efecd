"""Who is in the sample: invented adults, described by a few parameters each."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLACK, SOFT_BLACK, DARK_BROWN = (0.012, 0.010, 0.009), (0.022, 0.017, 0.014), (0.040, 0.024, 0.015)
BROWN, CHESTNUT, BLOND = (0.085, 0.048, 0.027), (0.16, 0.075, 0.036), (0.42, 0.29, 0.15)
GINGER, GREY, WHITE = (0.21, 0.088, 0.038), (0.17, 0.165, 0.16), (0.48, 0.47, 0.45)
EYES = {"dark": (0.050, 0.026, 0.014), "brown": (0.110, 0.055, 0.024), "hazel": (0.17, 0.115, 0.045),
        "green": (0.14, 0.17, 0.085), "blue": (0.13, 0.21, 0.32), "grey": (0.20, 0.23, 0.25)}


@dataclass
class Person:
    """Everything that defines one person's look; the name and the biography are invented."""

    key: str
    seed: int
    gender: str                      # female or male
    years: int                       # 25 or more
    origins: dict[str, float]        # caucasian, asian, african; sums to 1
    tone: float                      # skin tone, 0 very pale to 6 very dark
    hair: str
    hair_colour: tuple[float, float, float]
    eyes: str
    beard: str = "none"
    grey: float = 0.0
    recede: float = 0.0
    weight: float = 0.0
    brow_thickness: float = 1.0
    freckles: float = 0.0
    hair_scale: float = 1.0
    part: float = 0.12
    amplitude: float = 0.55          # of the local shape of the face, see geometry.AMPLITUDE
    gender_share: float = 1.0        # of the gender in the shape of head and body; the rest is the other one's
    crops: int = 0
    role: str = "cast"               # cast, clip; cohort or random where people are drawn
    name: str = ""
    nationality: str = ""
    occupation: str = ""
    biography: str = ""

    @property
    def age(self) -> float:
        return float(np.clip((self.years - 25) / 65, 0, 1))


CAST = [
    Person("mira", 101, "female", 34, {"african": 1.0}, 5.2, "coils", BLACK, "dark", crops=110, name="Mira Okonkwari",
           nationality="Nigeria", occupation="bridge engineer",
           biography="Designs footbridges in Lagos and keeps a notebook of every river she has crossed."),
    Person("anselm", 102, "male", 58, {"caucasian": 1.0}, 1.0, "short", GREY, "blue", grey=0.35, recede=0.45, crops=72,
           beard="short", name="Anselm Veldkamper", nationality="Netherlands", occupation="organ builder",
           biography="Restores small church organs and tunes them by ear before anyone else is awake."),
    Person("sunhee", 103, "female", 29, {"asian": 1.0}, 1.5, "fringe", SOFT_BLACK, "dark", crops=124, name="Sunhee Baekmun",
           nationality="South Korea", occupation="ceramic artist",
           biography="Fires celadon bowls in a kiln she built herself and gives the cracked ones to neighbours."),
    Person("tavita", 124, "male", 41, {"asian": 0.5, "african": 0.25, "caucasian": 0.25}, 3.8, "coils", BLACK, "dark",
           beard="short", weight=0.4, crops=55, name="Tavita Leauanae", nationality="Samoa", occupation="ferry captain",
           biography="Runs the morning ferry between two islands and knows most passengers by their hats."),
    Person("ines", 105, "female", 47, {"caucasian": 0.75, "african": 0.25}, 2.6, "wavy", DARK_BROWN, "brown",
           crops=75, name="Inês Quintaval", nationality="Portugal", occupation="marine biologist",
           biography="Counts seahorses in the Ria Formosa and teaches children to hold their breath and look."),
    Person("darshan", 106, "male", 33, {"caucasian": 0.6, "asian": 0.2, "african": 0.2}, 4.1, "side", BLACK, "dark",
           beard="short", part=0.3, crops=90, name="Darshan Irukulla", nationality="India",
           occupation="railway timetable planner",
           biography="Makes night trains meet in the middle of nowhere and repairs radios at weekends."),
    Person("freja", 107, "female", 38, {"caucasian": 1.0}, 0.5, "bob", BLOND, "grey", freckles=0.35, crops=78,
           name="Freja Lundqvar", nationality="Denmark", occupation="wind turbine technician",
           biography="Climbs a hundred metres before breakfast and paints the view in watercolour afterwards."),
    Person("kwabena", 128, "male", 52, {"african": 1.0}, 5.7, "buzz", SOFT_BLACK, "dark", grey=0.2, weight=0.2,
           beard="goatee", crops=46, name="Kwabena Asantefo", nationality="Ghana", occupation="secondary school teacher",
           biography="Teaches physics with bicycle parts and has never thrown away a good spring."),
    Person("haruto", 109, "male", 39, {"asian": 0.9, "caucasian": 0.1}, 1.9, "side", BLACK, "dark", beard="stubble", part=-0.3,
           crops=80, name="Haruto Minasegi", nationality="Japan", occupation="sound recordist",
           biography="Records rain on different roofs and sells the quietest hour to film studios."),
    Person("leila", 110, "female", 62, {"caucasian": 0.9, "asian": 0.1}, 2.4, "bob", GREY, "brown", grey=0.4, crops=43,
           name="Leila Farrokhan", nationality="Iran", occupation="retired librarian",
           biography="Ran a mobile library for thirty years and still knows which book you ought to read next."),
    Person("rory", 111, "male", 36, {"caucasian": 1.0}, 0.2, "swept", GINGER, "green", beard="full", freckles=0.8, crops=66,
           name="Rory Mactavannoch", nationality="Scotland", occupation="stonemason",
           biography="Rebuilds drystone walls in the Highlands and leaves a small carved hare in each."),
    Person("citlali", 132, "female", 43, {"asian": 0.55, "caucasian": 0.45}, 3.3, "long", SOFT_BLACK, "brown", crops=40,
           name="Citlali Huerampa", nationality="Mexico", occupation="seismologist",
           biography="Listens to small earthquakes at night and bakes bread when the ground is calm."),
    Person("noor", 141, "female", 31, {"caucasian": 0.8, "african": 0.2}, 2.9, "wavy", BLACK, "brown", crops=64,
           name="Noor Haddarini", nationality="Jordan", occupation="pharmacist",
           biography="Grows the herbs that her grandmother prescribed and tests which of them were right."),
    Person("minh", 162, "male", 67, {"asian": 0.95, "caucasian": 0.05}, 2.6, "short", GREY, "dark", grey=0.2, recede=0.1, crops=68,
           name="Minh Trangvu", nationality="Vietnam", occupation="retired tram driver",
           biography="Knows every stop of a line that no longer runs and builds it again in his attic."),
    Person("thandi", 153, "female", 57, {"african": 1.0}, 5.0, "afro", SOFT_BLACK, "dark", grey=0.25, weight=0.4, crops=140,
           hair_scale=0.4, name="Thandi Mokwenane", nationality="South Africa", occupation="choir conductor",
           biography="Leads a choir of miners and nurses and can tell from one breath who is tired."),
    Person("emil", 144, "male", 27, {"caucasian": 1.0}, 0.7, "swept", BLOND, "blue", beard="stubble", crops=95,
           name="Emil Sandqvara", nationality="Sweden", occupation="bicycle mechanic",
           biography="Builds cargo bicycles for people who have sold their cars, and delivers them himself."),
    Person("priya", 145, "female", 45, {"caucasian": 0.6, "asian": 0.2, "african": 0.2}, 3.9, "long", BLACK, "dark", crops=86,
           name="Priya Velankotta", nationality="India", occupation="judge",
           biography="Hears water disputes between villages and walks the canal before she decides."),
    Person("lemuel", 146, "male", 30, {"african": 0.9, "caucasian": 0.1}, 5.4, "buzz", BLACK, "dark", beard="short", crops=70,
           name="Lemuel Carrabright", nationality="Jamaica", occupation="boat builder",
           biography="Planks fishing boats the way his uncle did and names each after a song."),
    Person("anahera", 147, "female", 36, {"asian": 0.5, "caucasian": 0.3, "african": 0.2}, 3.2, "curly", DARK_BROWN, "brown",
           crops=48, name="Anahera Tewhaitiri", nationality="New Zealand", occupation="volcano guide",
           biography="Takes people to the rim of a crater and makes them be quiet for a minute."),
    Person("yusuf", 148, "male", 49, {"caucasian": 1.0}, 2.5, "side", SOFT_BLACK, "brown", beard="moustache",
           grey=0.15, crops=60, name="Yusuf Karahanoğlu", nationality="Türkiye", occupation="instrument maker",
           biography="Carves the bowl of a saz from one piece of mulberry and plays it once before he sells it."),
    Person("ilse", 149, "female", 68, {"caucasian": 1.0}, 0.9, "bob", WHITE, "blue", grey=0.2, crops=58,
           name="Ilse Brandhövel", nationality="Germany", occupation="retired glacier surveyor",
           biography="Measured the same glacier for forty summers and keeps its last stone on her desk."),
    Person("batu", 150, "male", 35, {"asian": 1.0}, 2.9, "short", BLACK, "dark", beard="stubble", weight=0.3, crops=52,
           name="Batu Erdenzaya", nationality="Mongolia", occupation="large animal vet",
           biography="Drives two days to see a camel and is paid in cheese and good stories."),
    Person("awa", 151, "female", 27, {"african": 1.0}, 5.7, "afro", BLACK, "dark", hair_scale=0.42, crops=84,
           name="Awa Diarrassoko", nationality="Senegal", occupation="software tester",
           biography="Finds the one button that nobody thought of and surfs before the office opens."),
    Person("joao", 152, "male", 55, {"african": 0.5, "caucasian": 0.5}, 3.7, "coils", SOFT_BLACK, "brown", grey=0.35,
           beard="stubble", crops=92, name="João Nascentelo", nationality="Brazil", occupation="beekeeper",
           biography="Keeps stingless bees on city roofs and trades honey for old window frames."),
]

CLIP_PEOPLE = [
    Person("amara", 201, "female", 36, {"african": 0.85, "caucasian": 0.15}, 4.6, "afro", SOFT_BLACK, "dark", hair_scale=0.5,
           role="clip", name="Amara Tessemaye", nationality="Ethiopia", occupation="coffee taster",
           biography="Can tell a hillside by a single cup and is learning to play the krar."),
    Person("teodor", 212, "male", 44, {"caucasian": 1.0}, 1.6, "swept", BROWN, "hazel", beard="short", recede=0.25, role="clip",
           name="Teodor Vlasinca", nationality="Romania", occupation="map maker",
           biography="Draws hiking maps of the Carpathians and walks every path twice before printing it."),
    Person("keiko", 221, "female", 51, {"asian": 1.0}, 1.7, "bob", SOFT_BLACK, "dark", grey=0.08, role="clip",
           name="Keiko Asahimura", nationality="Japan", occupation="lighthouse archivist",
           biography="Collects the logbooks of lighthouse keepers and answers every letter by hand."),
    Person("rafael", 222, "male", 31, {"asian": 0.45, "caucasian": 0.45, "african": 0.1}, 3.2, "short", BLACK, "dark",
           beard="stubble", role="clip", name="Rafael Ochoaluna", nationality="Peru", occupation="potato breeder",
           biography="Grows two hundred kinds of potato above four thousand metres and eats the failures."),
]


def everyone() -> list[Person]:
    return CAST + CLIP_PEOPLE


def find(key: str) -> Person:
    """A person of the list."""
    for person in everyone():
        if person.key == key:
            return person
    raise SystemExit(f"nobody is called {key}")
