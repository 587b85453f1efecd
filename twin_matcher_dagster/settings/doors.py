"""Settings of the doors of the pages: who is answered, by whom, and how much of it."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, Field, field_validator

from twin_matcher_dagster.settings.values import listed_words

_NAMES = "Several are separated by commas."


class DoorSettings(BaseModel):
    """Names, proxies and limits of the pages.

    The limits are for one visitor: an IPv4 address, or an IPv6 network of 64 bits, which is what a
    provider gives a household. A school or a company may be one address: raise them there.
    """

    page_hosts: str = Field(
        "", description=f"Further names that the pages are asked by, such as twins.org. {_NAMES}"
    )
    embedding_sites: str = Field(
        "", description=f"Sites that may show a page in a frame, such as https://a.org. {_NAMES}"
    )
    trusted_proxies: str = Field(
        "", description=f"Addresses or networks of proxies that say who asks. {_NAMES}"
    )
    # A page takes 60 requests to open, and a status page asks every five seconds.
    visitor_requests: int = Field(600, ge=1, description="Requests of a visitor in a minute.")
    # The largest clip has 200 MB, a photo 25.
    visitor_megabytes: int = Field(1000, ge=1, description="Of a visitor in an hour.")
    visitor_uploads: int = Field(20, ge=1, description="Uploads that a visitor sends in a day.")
    # A clip is looked at for seconds of two cores; whoever tries again does so a few times.
    visitor_looks: int = Field(60, ge=1, description="Clips and sets of photos in an hour.")
    # The guided camera takes a minute; two more tries of four people at one address.
    visitor_camera_seconds: int = Field(900, ge=1, description="Of the guided camera in an hour.")
    visitor_questions: int = Field(600, ge=1, description="Questions for twins in an hour.")
    # A code cannot be guessed; this bounds what guessing costs the store.
    visitor_erasures: int = Field(60, ge=1, description="Tries of an erasure code in an hour.")
    # A browser opens six, and one more for each tab.
    # A family at one address.
    visitor_waiting: int = Field(6, ge=1, description="Questions of one kind that wait at a time.")
    visitor_connections: int = Field(64, ge=1, description="Open connections of a visitor.")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_proxies(cls, value: str) -> str:
        for one in listed_words(value):
            ipaddress.ip_network(one, strict=False)
        return value
