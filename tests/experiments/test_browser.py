"""The report in a browser: Debian's chromium, spoken to over a pipe in its DevTools protocol."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from experiments import compare, folder, page, report, reported
from experiments.check import pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium to open reports with"
)

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """A tab of a headless browser.

    Parameters
    ----------
    process : subprocess.Popen
        Chromium that reads commands from its standard input and answers on its standard output.
    """

    def __init__(self, process):
        self.process = process
        self.events = []
        self._numbers = count(1)
        self._session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Send a command and wait for its result; what happens meanwhile goes to ``events``."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self._read()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self):
        read = bytearray()
        while (byte := self.process.stdout.read(1)) != b"\0":
            assert byte, "chromium has ended"
            read += byte
        return json.loads(read)

    def open(self, path, width, scheme="light"):
        """Open a file at a width in CSS pixels, in a light or dark colour scheme."""
        phone = width < 600
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=phone)  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")


@contextmanager
def browser(profile) -> Iterator[Browser]:
    """Chromium with a new profile in a folder."""
    # The pipe is file descriptors 3 and 4 of the browser; what it writes to 1 would disturb it.
    command = ["sh", "-c", 'exec "$@" 3<&0 4>&1 >/dev/null 2>&1', "sh", CHROMIUM, *FLAGS]
    with subprocess.Popen(
        [*command, f"--user-data-dir={profile}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(profile)},
    ) as process:
        yield Browser(process)
        process.stdin.close()  # nobody speaks to it any more: it ends and tidies up
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def opened(tmp_path_factory, found):
    """A browser and the report of a small assignment."""
    out = tmp_path_factory.mktemp("out")
    made = page.Page(out / found.name, found, compare.compare(found, reported.read()))
    folder.write(made.folder, found, made.comparisons)
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab, report.html(out, [made])


OPEN = "document.querySelectorAll('details').forEach(each => each.open = true)"
WIDTHS = pytest.mark.parametrize("width", [1280, 390])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@WIDTHS
def test_only_boxes_are_scrolled_sideways(opened, width):
    tab, path = opened
    tab.open(path, width)
    assert tab.evaluate("document.documentElement.clientWidth") == width
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.evaluate(OPEN)
    assert tab.evaluate("document.documentElement.scrollWidth") == width


@WIDTHS
def test_every_picture_is_there_and_nothing_is_fetched_or_complained_of(opened, width):
    tab, path = opened
    tab.open(path, width)
    sizes = tab.evaluate(
        "Promise.all([...document.images].map(each => each.decode().then(() => each.naturalWidth)))"
    )
    assert len(sizes) >= 2
    assert min(sizes) > 0
    asked = {
        event["params"]["request"]["url"].partition(":")[0]
        for event in tab.events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert asked <= {"file", "data"}
    complaints = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert [event for event in tab.events if event["method"] in complaints] == []


# The contrast of the text of every element with the nearest background behind it (WCAG 2.2).
CONTRASTS = """
(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(each => each / 255)
    .map(each => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4)
    .reduce((sum, each, i) => sum + each * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
  };
  return [...document.body.querySelectorAll('*')]
    .filter(each => [...each.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
    .map(each => {
      const pair = [light(getComputedStyle(each).color), light(behind(each))];
      return [(Math.max(...pair) + .05) / (Math.min(...pair) + .05), each.outerHTML.slice(0, 80)];
    });
})()
"""


@SCHEMES
def test_text_stands_out_from_its_background(opened, scheme):
    tab, path = opened
    tab.open(path, 1280, scheme)
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    contrasts = tab.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [each for each in contrasts if each[0] < 4.5] == []


def test_on_a_phone_reported_ours_and_verdict_are_on_the_screen(opened):
    tab, path = opened
    tab.open(path, 390)
    tab.evaluate(OPEN)
    ends = tab.evaluate("""
        [...document.querySelectorAll('.compared td.number:not(.wide), .compared .verdict')]
          .map(each => [each.getBoundingClientRect().left, each.getBoundingClientRect().right])
    """)
    assert len(ends) == 3
    assert all(0 <= left < right <= 390 for left, right in ends)


@WIDTHS
def test_figures_fit(opened, width):
    tab, path = opened
    tab.open(path, width)
    tab.evaluate(OPEN)
    ends = tab.evaluate("[...document.images].map(each => each.getBoundingClientRect().right)")
    assert max(ends) <= width


@SCHEMES
def test_a_dark_page_has_no_white_boxes(opened, scheme):
    tab, path = opened
    tab.open(path, 1280, scheme)
    tab.evaluate(OPEN)
    filters = tab.evaluate(
        "[...document.querySelectorAll('.chart')].map(each => getComputedStyle(each).filter)"
    )
    assert filters
    assert all(("invert" in each) == (scheme == "dark") for each in filters)
    # The first pixel of every picture that is shown as it is: the paper of its page.
    pixels = tab.evaluate("""
        Promise.all([...document.querySelectorAll('picture img')].map(async each => {
          const image = new Image();
          image.src = each.currentSrc;
          await image.decode();
          const canvas = document.createElement('canvas');
          canvas.getContext('2d').drawImage(image, 0, 0);
          return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3);
        }))
    """)
    assert pixels
    paper = [20, 24, 28] if scheme == "dark" else [255, 255, 255]
    assert all(max(abs(x - y) for x, y in zip(each, paper, strict=True)) < 4 for each in pixels)


def test_a_link_of_the_gallery_opens_what_is_folded(opened):
    tab, path = opened
    tab.open(path, 1280)
    shown = tab.evaluate("""
        new Promise(resolve => {
          const link = document.querySelector('.gallery a');
          location.hash = link.hash;
          setTimeout(() => resolve(document.querySelector(link.hash + ' img').clientWidth), 300);
        })
    """)
    assert shown > 200


def test_boxes_are_reached_by_keys(opened):
    tab, path = opened
    tab.open(path, 390)
    boxes = tab.evaluate("[...document.querySelectorAll('.box')].map(each => each.tabIndex)")
    assert boxes
    assert set(boxes) == {0}


def test_the_report_prints(opened):
    tab, path = opened
    tab.open(path, 1280, "dark")
    printed = base64.b64decode(tab.send("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 2 <= pages <= 10


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The page of a course."""
    path = tmp_path_factory.mktemp("course") / "page.html"
    path.write_text(pages.html("dd2424_a1"), "utf-8")
    return path


@WIDTHS
def test_the_charts_of_a_course_fit_and_can_be_read(opened, course, width):
    tab, _ = opened
    tab.open(course, width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    ends = tab.evaluate("""
        [...document.querySelectorAll('.charts text')].map(each => each.getBoundingClientRect())
          .map(each => [each.left, each.right, each.height])
    """)
    assert len(ends) > 400
    assert all(0 <= left < right <= width for left, right, _ in ends)
    assert min(height for *_, height in ends) > 9


@SCHEMES
def test_the_words_of_a_course_stand_out(opened, course, scheme):
    tab, _ = opened
    tab.open(course, 1280, scheme)
    assert [each for each in tab.evaluate(CONTRASTS) if each[0] < 4.5] == []
