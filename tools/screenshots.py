"""Take the README's pictures anew from running services: `make up`, then run this.

Needs the development requirements and Chromium.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from twin_matcher_dagster.local import services
from twin_matcher_dagster.settings import PROJECT_ROOT, SAMPLE, Settings

IMAGES = PROJECT_ROOT / "docs" / "images"
URLS = services.urls(Settings())


def graph(browser: Browser) -> None:
    """The asset graph and one asset's page in the Dagster UI."""
    page = browser.new_page(viewport={"width": 2300, "height": 820})
    page.goto(services.sign_in_url(Settings()))
    page.goto(f"{URLS[services.DAGSTER]}/asset-groups")
    page.wait_for_timeout(7000)
    page.get_by_text("Hide navigation").click()
    page.mouse.click(1500, 700, button="right")
    page.get_by_text("Expand all groups").last.click()
    page.wait_for_timeout(5000)
    page.screenshot(path=IMAGES / "graph.png")
    page.set_viewport_size({"width": 1500, "height": 1150})
    page.goto(f"{URLS[services.DAGSTER]}/assets/twin_model?view=overview")
    page.wait_for_timeout(7000)
    page.get_by_text("Show Markdown").first.click()
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "model.png")


def pages(browser: Browser) -> None:
    """The upload page with a clip, on a desk and on a phone; the prediction page with an answer."""
    for name, size in (("upload", (1000, 900)), ("phone", (390, 844))):
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.goto(URLS[services.UPLOAD])
        page.click('#clip button[aria-label="Upload file"]')
        page.set_input_files("#clip input[type=file]", SAMPLE / "clips/teodor_1.mp4")
        page.wait_for_selector("#found .success", timeout=60_000)
        page.fill("#name input, #name textarea", "Teodor Vlasinca")
        page.set_checked("#consent input", True)
        page.wait_for_timeout(2500)
        page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(URLS[services.PREDICT])
    page.click('#photo button[aria-label="Upload file"]')
    page.set_input_files("#photo input[type=file]", SAMPLE / "photos/amara.jpg")
    page.wait_for_selector("#twins .twin", timeout=60_000)
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "predict.png", full_page=True)


def main() -> None:
    """All pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    chromium = Path(shutil.which("chromium") or "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        graph(browser)
        pages(browser)
        browser.close()


if __name__ == "__main__":
    main()
