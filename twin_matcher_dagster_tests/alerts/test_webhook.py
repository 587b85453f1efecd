"""A webhook on real sockets: what it is sent, and what becomes of one that is not well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from twin_matcher_dagster.alerts import delivery, webhook
from twin_matcher_dagster.alerts.delivery import tell
from twin_matcher_dagster.alerts.matters import Matter
from twin_matcher_dagster.alerts.notebook import AWAY, Notebook
from twin_matcher_dagster.alerts.webhook import Webhook, body_for, style_of
from twin_matcher_dagster.alerts.words import Line, Message, trial_message
from twin_matcher_dagster.errors import ReceiverError
from twin_matcher_dagster_tests.alerts.receivers import (
    HttpReceiver,
    closed_port,
    http_receiver,
    silent_receiver,
)
from twin_matcher_dagster_tests.alerts.test_notebook import NOW

SECRET = "T0PSECRET"
MESSAGE = Message(
    "Twin Matcher: a disk",
    (Line("A <disk> & more", "It is full.", "https://desk.example/review"), Line("Another")),
)


@pytest.fixture(scope="module")
def running() -> Iterator[HttpReceiver]:
    with http_receiver() as server:
        yield server


@pytest.fixture
def receiver(running: HttpReceiver) -> HttpReceiver:
    running.got.clear()
    running.status = 200
    return running


def test_it_arrives(receiver: HttpReceiver) -> None:
    Webhook(f"{receiver.url}/hook/{SECRET}").send(MESSAGE)
    ((path, body),) = receiver.got
    assert path == f"/hook/{SECRET}"
    assert body["text"].startswith("Twin Matcher: a disk\nA <disk> & more\nIt is full.\nhttps://")


def test_ntfy_gets_json_at_its_root_with_the_topic_in_it(receiver: HttpReceiver) -> None:
    Webhook(f"{receiver.url}/below/{SECRET}?auth=x", "ntfy").send(MESSAGE)
    ((path, body),) = receiver.got
    assert path == "/below/?auth=x"
    assert body["topic"] == SECRET
    assert body["title"] == MESSAGE.title
    assert body["click"] == "https://desk.example/review"
    assert body["priority"] == 4


def test_teams_gets_a_card_and_slack_its_own_escapes() -> None:
    _, body = body_for("teams", "https://x", MESSAGE)
    (attached,) = body["attachments"]
    assert attached["contentType"] == "application/vnd.microsoft.card.adaptive"
    texts = [block["text"] for block in attached["content"]["body"]]
    assert texts[:3] == [MESSAGE.title, "A <disk> & more", "It is full."]
    _, body = body_for("slack", "https://x", MESSAGE)
    assert set(body) == {"text"}
    assert "A &lt;disk&gt; &amp; more" in body["text"]


@pytest.mark.parametrize(
    ("url", "style"),
    [
        ("https://hooks.slack.com/services/T/B/x", "slack"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", "teams"),
        ("https://default1.2f.environment.api.powerplatform.com:443/x", "teams"),
        ("https://ntfy.sh/mytopic", "ntfy"),
        ("https://ntfy.example.org/mytopic", "ntfy"),
        ("https://chat.example.org/hooks/x", "text"),
        ("https://hooks.slack.com.example.org/x", "text"),
    ],
)
def test_the_body_goes_by_the_host(url: str, style: str) -> None:
    assert style_of(url) == style


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_whoever_does_not_take_it_was_not_told(receiver: HttpReceiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(ReceiverError, match=f"127.0.0.1 answered {status}") as caught:
        Webhook(f"{receiver.url}/{SECRET}").send(MESSAGE)
    assert SECRET not in str(caught.value)
    assert len(receiver.got) == 1  # followed nowhere


def test_whoever_is_away_is_no_secret_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WEBHOOK_WAIT_S", 0.2)
    with silent_receiver() as port:
        for asked in (port, closed_port()):
            with pytest.raises(ReceiverError, match="cannot be reached") as caught:
                Webhook(f"http://user:{SECRET}@127.0.0.1:{asked}/{SECRET}").send(MESSAGE)
            assert SECRET not in str(caught.value)
            assert caught.value.__suppress_context__


def test_whoever_hangs_holds_up_nobody(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is told; and once it is well again it is told the same."""
    monkeypatch.setattr(delivery, "SENDING_S", 3.0)
    matter = Matter("disk", "home", NOW, "4%")
    with silent_receiver() as port:
        hangs, well = Webhook(f"http://127.0.0.1:{port}/"), Webhook(receiver.url)
        hangs.name = "hangs"
        said = tell(Notebook(), [matter], [hangs, well], "", NOW, lambda _: None)
    assert len(receiver.got) == 1
    assert len(said.failed) == len(said.told) == 1
    assert "within" in said.failed[0]
    assert said.notebook.news_for("hangs", NOW + AWAY.pause(1)).began == (matter.mark,)


def test_a_trial_says_that_it_is_one() -> None:
    assert "trial" in trial_message("https://desk.example").title
