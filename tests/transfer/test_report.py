"""The page that shows what a classifier tells right and wrong."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from masquerade.errors import BadInput
from masquerade.transfer.report import Measured, page, png

CLASSES = ("cat", '<script>alert("1")</script>', "dog & fox", "nobody")
LABELS = np.array([0, 0, 0, 1, 1, 2])
TOLD = np.array([0, 0, 2, 1, 1, 0])
SCORES = np.where(np.arange(4) == TOLD[:, None], 0.7, 0.1)
IMAGES = np.arange(6 * 8 * 9, dtype=np.uint8).reshape(6, 8, 9)


def test_each_class_is_counted_by_what_it_was_taken_for() -> None:
    measured = Measured.of(SCORES, LABELS, CLASSES)
    assert measured.confusion.tolist() == [[2, 0, 1, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert measured.accuracy == 4 / 6
    assert measured.recall[:3].tolist() == [2 / 3, 1, 0] and np.isnan(measured.recall[3])
    assert measured.precision[:3].tolist() == [2 / 3, 1, 0] and np.isnan(measured.precision[3])


def test_the_interval_is_wilsons() -> None:
    labels = np.repeat([0, 1], [890, 110])
    measured = Measured.of(np.tile([0.9, 0.1], (1000, 1)), labels, ("a", "b"))
    assert measured.error == pytest.approx((0.9079 - 0.8691) / 2, abs=2e-4)  # Wilson's, to four digits


@pytest.mark.parametrize("labels", [np.array([0, 0, 0, 1, 1, 4]), np.array([-1, 0, 0, 1, 1, 2]), LABELS[:5]])
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(BadInput):
        Measured.of(SCORES, labels, CLASSES)
    with pytest.raises(BadInput):
        Measured.of(SCORES[:0], labels[:0], CLASSES)


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def test_the_page_is_whole_and_shows_names_as_text() -> None:
    measured = Measured.of(SCORES, LABELS, CLASSES)
    made = page(measured, IMAGES, SCORES, LABELS, {"<b>cost</b>": "3 & \x00more"}, "<i>Title</i>")
    seen = Seen(made)
    assert {tag for tag, _ in seen.tags}.isdisjoint({"script", "link", "iframe", "object"})
    assert "<b>cost" not in made and "\x00" not in made
    assert CLASSES[1] in seen.text and "<i>Title</i>" in seen.text and "66.67 %" in seen.text
    sources = [attributes["src"] for tag, attributes in seen.tags if tag == "img"]
    assert len(sources) == 6 + 2, "examples of each class, and both mistakes"
    assert all(source and source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"(?:https?:)?//", re.sub(r'src="data:[^"]*"', "", made)), "nothing from elsewhere"
    assert "default-src 'none'" in made and "prefers-color-scheme:dark" in made
    assert all(attributes.get("alt") for tag, attributes in seen.tags if tag == "img")
    assert all(attributes.get("scope") for tag, attributes in seen.tags if tag == "th")


def test_a_page_without_mistakes_says_so() -> None:
    scores = np.eye(4)[LABELS]
    assert "There is none." in page(Measured.of(scores, LABELS, CLASSES), IMAGES, scores, LABELS)
    with pytest.raises(BadInput):
        page(Measured.of(scores, LABELS, CLASSES), IMAGES.astype(float), scores, LABELS)


def test_pictures_on_the_page_are_their_pixels() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    with image.open(io.BytesIO(png(IMAGES[3]))) as read:
        assert np.array_equal(np.asarray(read), IMAGES[3]) and not read.info
    one = page(Measured.of(SCORES, LABELS, CLASSES), IMAGES, SCORES, LABELS)
    assert base64.b64encode(png(IMAGES[3])).decode() in one
