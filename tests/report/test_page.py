"""The page: self-contained, escaped, telling the numbers it was given and nothing that is not there."""

import base64
import copy
import dataclasses
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medweave.report import Example, ReportContent, render_report
from medweave.report.page import duration, estimate, number, verdict

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"
VOID = {"img", "meta", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Elements with their attributes and text; asserts that tags are balanced."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.words = [], [], []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def metric(mean, low, high):
    return {"mean": mean, "ci95": [low, high]}


SUMMARY = {
    "run_id": "run-77",
    "config_digest": "ab" * 32,
    "status": "completed",
    "data": {"gold": 25, "unlabeled": 101, "synthetic": 40, "test": 119, "rejected": 3},
    "labels": {
        "weak": {"made": 101, "accepted": 61, "review": 23, "rejected": 17},
        "synthetic": {"made": 40, "accepted": 21, "review": 11, "rejected": 8},
    },
    "test": {
        "gold_only": {
            "dice": metric(0.6812, 0.6402, 0.7221),
            "iou": metric(0.561, 0.52, 0.602),
            "nsd": metric(0.412, 0.377, 0.449),
            "hd95": metric(48.21, 40.13, 57.35),
            "empty_rate": 0.0333,
        },
        "final": {
            "dice": metric(0.7345, 0.6961, 0.7714),
            "iou": metric(0.621, 0.58, 0.662),
            "nsd": metric(0.478, 0.443, 0.513),
            "hd95": metric(36.94, 30.21, 44.83),
            "empty_rate": 0.0083,
        },
    },
    "delta": {"dice": metric(0.0533, 0.0312, 0.0758)},
    "model": {"name": "medweave-toy", "version": 3, "promoted": True, "reason": "Beats gold-only by a clear margin."},
    "seconds": {"total": 3725.0, "label": 42.0},
    "peak_rss_mb": 2345,
    "report": "report.html",
}


def example(image_id="im-1", size=(96, 128), **changes):
    rng = np.random.default_rng(0)
    mask = np.zeros(size, np.uint8)
    mask[20:60, 30:80] = 1
    fields = {
        "image_id": image_id,
        "image": rng.integers(0, 255, (*size, 3), dtype=np.uint8),
        "layers": {"gold": mask, "prediction": np.zeros_like(mask)},
        "coarse": None,
        "boxes": (),
        "points": (),
        "caption": "a caption",
    }
    return Example(**{**fields, **changes})


def drift(**changes):
    found = {
        "feature": "area_share", "gold_median": 0.072, "median": 0.018, "effect": -0.44, "spread": 0.12, "p": 0.0063,
        "way": "lower", "drifted": True,
    }  # fmt: skip
    return {**found, **changes}


def full(name="im-1"):
    label = example(
        name,
        layers={"weak": example().layers["gold"]},
        coarse=np.full((8, 8), 0.7, np.float32),
        boxes=((30.0, 20.0, 80.0, 60.0),),
        points=((50.0, 40.0, True), (5.0, 5.0, False)),
        caption=f"predicted Dice 0.90 {name}",
    )
    return ReportContent(
        summary=copy.deepcopy(SUMMARY),
        task="toy",
        classes=("lesion",),
        settings_yaml="seed: 12\nprofile: fast\nsegmentation:\n  folds: 5\n",
        versions={"torch": "2.15.0"},
        warnings=[{"rule": "near-duplicate", "file": name, "message": "looks like another"}],
        gold_examples=[example(name, layers={"gold": example().layers["gold"]})],
        label_examples={"best": [label], "typical": [label], "worst": [label]},
        failures=[example(name)],
        losses=[example(name, layers={**example().layers, "baseline": example().layers["gold"]})],
        label_features={"gold": {"area_share": [0.1, 0.2]}, "weak": {"area_share": [0.3, 0.4]}},
        drift={"weak": [drift()], "weak accepted": [drift(drifted=False)]},
        not_compared={"weak rejected": "only 3 weak rejected labels; 8 are needed"},
        predicted_dice=[(0.9, "accept"), (0.4, "review"), (0.1, "reject")],
        calibration={
            "source": "chain",
            "features": ["agreement", "score"],
            "labels": 2,
            "groups": 2,
            "rank_correlation": 0.714,
            "coverage": 0.5,
            "points": [[name, 0.8, 0.6, 0.9, 0.7], ["other", 0.5, 0.4, 0.6, 0.9]],
            "reasons": {"weak": {"review": {}, "reject": {"the mask is empty": 12}}},
        },
        per_image=[(name, 0.5, 0.7), ("other", 0.8, 0.6)],
        curves={
            "baseline loss": [(1, 1.0), (2, 0.5)],
            "final loss": [(1, 1.1), (2, 0.4)],
            "out-of-fold Dice": [(2, 0.6)],
        },
        learned="adaptation dropped: Dice 0.801 & less",
    )


def bare():
    return ReportContent(
        summary={
            "run_id": "run-0",
            "data": {"gold": 8, "unlabeled": 0, "synthetic": 0, "test": 6, "rejected": 0},
            "labels": {key: {"made": 0, "accepted": 0, "review": 0, "rejected": 0} for key in ("weak", "synthetic")},
            "test": {"gold_only": {"dice": {"mean": 0.5}}, "final": {}},
            "delta": {},
            "model": {"name": None, "version": None, "promoted": False, "reason": "No weak labels."},
        },
        task="toy",
        classes=("lesion",),
        settings_yaml="",
        versions={},
        warnings=[],
        gold_examples=[],
        label_examples={},
        failures=[],
        losses=[],
        label_features={},
        drift={},
        not_compared={},
        predicted_dice=[],
        calibration={},
        per_image=[],
        curves={},
    )


@pytest.fixture(scope="module")
def html():
    return render_report(full())


@pytest.mark.parametrize("content", [full(), full(HOSTILE), bare()], ids=["full", "hostile", "bare"])
def test_page_refers_to_nothing_outside_itself(content):
    html = render_report(content)
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form", "base"}
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in {"src", "srcset", "poster", "data", "action"}:
                assert tag == "img" and value.startswith("data:image/jpeg;base64,")
            if key.endswith("href"):
                assert value.startswith("#") and value[1:] in page.ids()
    for outside in ("url(", "@import", "http://", "https://", 'src="//'):
        assert outside not in html


def test_hostile_names_are_text_and_never_markup():
    content = full(HOSTILE)
    content.summary["model"]["reason"] = HOSTILE
    content = dataclasses.replace(
        content,
        task=HOSTILE,
        classes=(HOSTILE, "second"),
        versions={HOSTILE: HOSTILE},
        settings_yaml=f"# {HOSTILE}",
        label_features={HOSTILE: {HOSTILE: [1.0, 2.0]}},
        drift={HOSTILE: [drift(feature=HOSTILE, way=HOSTILE)]},
        not_compared={HOSTILE: HOSTILE},
        curves={f"{HOSTILE} {HOSTILE}": [(1, 0.5)]},
    )
    page = Page(render_report(content))
    assert not page.all("script")
    assert all(image["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert page.text.count(HOSTILE) >= 12
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert any(HOSTILE in image["alt"] for image in page.all("img"))


def test_an_image_id_that_is_no_unicode_still_makes_a_page_that_can_be_written():
    render_report(full("caf\udce9")).encode("utf-8")


def test_page_shows_the_numbers_of_the_summary(html):
    text = Page(html).text
    for shown in (
        "Adding machine-made labels made the model better than expert labels alone, and it was promoted.",
        "Gold-only model 0.681 mean Dice 95 % interval 0.640 to 0.722",
        "Final model 0.735 mean Dice 95 % interval 0.696 to 0.771",
        "Difference +0.053 Dice, final − gold-only 95 % interval +0.031 to +0.076",
        "✓ Promoted medweave-toy version 3. Beats gold-only by a clear margin.",
        "same 119 test images",
        "Gold 25 ",
        "Unlabeled 101 ",
        "Synthetic 40 ",
        "Set aside 3 ",
        "Weak labels: 101 made 61 accepted 23 to review 17 rejected",
        "Synthetic labels: 40 made 21 accepted 11 to review 8 rejected",
        "IoU (Jaccard) higher is better 0.561 (0.520 to 0.602) 0.621 (0.580 to 0.662)",
        "Surface Dice (NSD) higher is better 0.412 (0.377 to 0.449) 0.478 (0.443 to 0.513)",
        "in pixels lower is better 48.2 (40.1 to 57.4) 36.9 (30.2 to 44.8)",
        "Structure missed, of the images that have one lower is better 3.3 % 0.8 %",
        "▲ Drifted: weak",
        "Weak labels: ▲ unlike gold in area share Feature",
        "area share 0.018 0.072 −0.44 +0.12 0.0063 ▲ lower",
        "Weak accepted labels: no drift Feature",
        "Not compared: weak rejected (only 3 weak rejected labels; 8 are needed).",
        "Seed 12",
        "Folds on gold 5",
        "Time, total 1 h 02 min",
        "Peak memory 2,345 MB",
        "near-duplicate im-1 looks like another",
        "final model (empty)",
        "prompts: 1 box, 1 point inside, 1 point outside",
    ):
        assert shown in text


def test_page_says_how_far_the_predicted_dice_holds_and_why_labels_were_rejected(html):
    text = Page(html).text
    for shown in (
        "from how well the same chain did on gold images it had not seen.",
        "Each of 2 gold labels of 2 groups of images was predicted from the others. "
        "Rank correlation with the true Dice: 0.71 (1 is a perfect order). "
        "The 90 % interval held the true Dice in 50 %. "
        "From so few images both numbers say little. "
        "Learned from: agreement with the coarse model, the labeler's own score.",
        "weak rejected the mask is empty 12",
    ):
        assert shown in text


@pytest.mark.parametrize(
    ("source", "said"),
    [("simulated", "gold outlines with errors made on purpose"), (None, "too few gold images to learn from")],
)
def test_page_says_when_the_chain_could_not_label_gold(source, said):
    content = full()
    rest = {"labels": 0, "groups": 0, "rank_correlation": None, "coverage": None, "features": [], "points": []}
    text = Page(render_report(dataclasses.replace(content, calibration={**rest, "source": source}))).text
    assert said in text and "Does the predicted Dice hold?" not in text


def test_page_says_what_became_of_a_second_opinion(html):
    assert "second opinion" not in Page(html).text
    content = full()
    counts = {"made": 9, "kept": 4, "accepted": 3, "missing": {}}
    lost = {f"{name}.png: is of another size": 1 for name in "abcd"}

    def text(**changed):
        calibration = {**content.calibration, "second_opinion": {**counts, **changed}}
        return Page(render_report(dataclasses.replace(content, calibration=calibration))).text

    assert "For 9 images a mask was brought along as a second opinion. Its Dice is predicted from" in text()
    assert "Of 4 of them it is the label" in text() and "3 of these were accepted." in text()
    named = "; ".join(f"{name}.png: is of another size (1)" for name in "abc")
    assert f"4 others have none: {named}; …. Its Dice" in text(missing=lost)
    assert f"No image got a second opinion: {named}; …." in text(made=0, kept=0, accepted=0, missing=lost)


@pytest.mark.parametrize(("architecture", "shown"), [("Compact", False), ("Unet", True)])
def test_page_names_the_encoder_of_networks_that_have_a_choice(architecture, shown):
    settings = f"segmentation: {{architecture: {architecture}, encoder: resnet18}}"
    text = Page(render_report(dataclasses.replace(full(), settings_yaml=settings))).text
    assert ("Encoder" in text) is shown


def test_page_says_what_gold_taught_the_labeler(html):
    assert "adaptation dropped: Dice 0.801 &amp; less" in html


def test_page_shows_what_each_part_of_the_training_is_worth():
    parts = [
        {"name": "without <teacher>", "dice": metric(0.7, 0.65, 0.75), "difference": metric(-0.0345, -0.06, -0.01)},
        {"name": "at full weight", "dice": metric(0.74, 0.7, 0.78), "difference": metric(0.0055, -0.01, 0.02)},
    ]
    html = render_report(dataclasses.replace(full(), ablation=parts))
    assert "without &lt;teacher&gt;" in html
    for text in ("0.700 (0.650 to 0.750)", "−0.035 (−0.060 to −0.010)", "+0.005 (−0.010 to +0.020)"):
        assert text in html
    assert "part of the training" not in render_report(dataclasses.replace(full(), ablation=()))


def test_full_page_has_every_section_and_the_contents_link_to_them(html):
    page = Page(html)
    sections = [attributes["id"] for attributes in page.all("section")]
    assert sections == ["data", "labels", "quality", "result", "failures", "training", "glossary"]
    assert [a["href"] for a in page.all("a")][1:] == [f"#{section}" for section in sections]
    assert len(page.ids()) == len(set(page.ids()))


def test_what_is_not_there_vanishes():
    page = Page(render_report(bare()))
    assert [attributes["id"] for attributes in page.all("section")] == ["data", "result", "glossary"]
    assert not page.all("img")
    assert "✕ Not promoted No weak labels." in page.text
    assert "Gold-only model 0.500 mean Dice Dice says" in page.text
    for absent in ("None", "nan", "Synthetic", "Set aside", "Unlabeled", "Final model 0", "Dice 0.500 ("):
        assert absent not in page.text


def test_images_with_an_empty_mask_are_told_apart():
    content = full()
    test = content.summary["test"]
    for side, dice, missed in (("gold_only", 0.91, 0.25), ("final", 0.976, 0.0)):
        test[side]["with_structure"] = {
            "images": 13, "empty_masks": 12, "dice": metric(dice, dice - 0.01, dice + 0.01), "missed_rate": missed,
        }  # fmt: skip
    text = Page(render_report(content)).text
    assert "Dice where there is something higher is better 0.910 (0.900 to 0.920) 0.976 (0.966 to 0.986)" in text
    assert "Structure missed, of the images that have one lower is better 25.0 % 0.0 %" in text
    assert "12 of the 25 test images have an empty mask. Each counts 1 in Dice" in text
    for side in test.values():
        side["with_structure"] = {"images": 0, "empty_masks": 25, "dice": None, "missed_rate": None}
    assert "25 of the 25 test images have an empty mask." in Page(render_report(content)).text
    assert "have an empty mask" not in Page(render_report(full())).text


def test_nan_results_are_not_shown():
    content = full()
    content.summary["test"]["final"]["dice"] = metric(float("nan"), float("nan"), float("nan"))
    content.summary["test"]["final"]["iou"] = metric(0.5, float("nan"), float("nan"))
    content.summary["delta"]["dice"] = metric(float("nan"), float("nan"), float("nan"))
    text = Page(render_report(content)).text
    assert " nan" not in text
    assert "IoU (Jaccard) higher is better 0.561 (0.520 to 0.602) 0.500 Surface" in text


def test_pictures_decode_to_their_stated_size_and_have_words(html):
    images = Page(html).all("img")
    assert len(images) == 1 + 3 * 4 + 2 + 2
    for image in images:
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2], validate=True)))
        assert picture.size == (256, 192) == (int(image["width"]), int(image["height"]))
        assert "im-1" in image["alt"]


def test_charts_have_words_for_who_cannot_see_them(html):
    charts = [svg for svg in Page(html).all("svg") if svg.get("class") == "chart"]
    assert len(charts) == 10
    assert all(svg["role"] == "img" and len(svg["aria-label"]) > 20 for svg in charts)


def test_legend_names_classes_when_there_are_several():
    content = dataclasses.replace(full(), classes=("liver", "spleen"))
    text = Page(render_report(content)).text
    assert "liver spleen expert outline final model" in text


def test_many_warnings_are_counted_and_cut():
    warning = {"rule": "r", "file": "f", "message": "m"}
    page = Page(render_report(dataclasses.replace(full(), warnings=[warning] * 1234)))
    assert "1234 warnings" in page.text
    assert "The first 100 are shown." in page.text


@pytest.mark.parametrize(
    ("difference", "accepted", "promoted", "expected"),
    [
        (metric(0.05, 0.01, 0.09), 5, True, "made the model better than expert labels alone, and it was promoted."),
        (
            metric(0.05, 0.01, 0.09),
            5,
            False,
            "made the model better than expert labels alone, but it was not promoted.",
        ),
        (metric(0.05, -0.01, 0.09), 5, False, "no clear difference compared with expert labels alone, and it was not"),
        (
            metric(0.05, 0.0, 0.09),
            5,
            True,
            "no clear difference compared with expert labels alone, but it was promoted.",
        ),
        (
            metric(-0.05, -0.09, -0.01),
            5,
            False,
            "made the model worse than expert labels alone, and it was not promoted.",
        ),
        (metric(0.05, 0.01, 0.09), 0, False, "No machine-made label was accepted"),
        ({"mean": 0.05}, 5, False, "improved the average, but no interval says how sure"),
        ({"mean": -0.05}, 5, False, "did not improve the average, but no interval"),
        ({}, 5, False, "did not compare its final model with gold-only training"),
    ],
)
def test_verdict_says_what_the_interval_allows(difference, accepted, promoted, expected):
    summary = {
        "labels": {"weak": {"made": 9, "accepted": accepted}},
        "delta": {"dice": difference},
        "model": {"promoted": promoted},
    }
    assert expected in verdict(summary)


def test_numbers_are_written_plainly():
    assert number(-0.0534, signed=True) == "−0.053"
    assert number(0.0534, signed=True) == "+0.053"
    assert estimate({"mean": 0.5, "ci95": [None, None]}).text() == "0.500"
    assert estimate({}) is None
    assert [duration(s) for s in (3.21, 42, 200, 3900)] == ["3.2 s", "42 s", "3 min 20 s", "1 h 05 min"]


def test_real_images_make_a_page_of_modest_size():
    images = Path(__file__).parents[2].parent / "shared" / "data" / "busi" / "test" / "images"
    if not images.is_dir():
        pytest.skip(f"no real data at {images}")
    files = sorted(images.iterdir())[:12]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    shown = []
    for path, picture in zip(files, pictures, strict=True):
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[50:120, 80:200] = 1
        shown.append(
            Example(
                path.stem, picture, {"gold": mask, "prediction": mask}, mask[::4, ::4] * np.float32(0.9), (), (), ""
            )
        )
    content = dataclasses.replace(
        full(),
        gold_examples=shown,
        failures=shown,
        losses=shown,
        label_examples={"best": shown[:6], "typical": shown[3:9], "worst": shown[6:]},
        per_image=[(f"im-{k}", k / 200, 0.5) for k in range(200)],
    )
    assert len(render_report(content).encode()) < 4_000_000
