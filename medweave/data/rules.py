"""The rules that data must keep, as Great Expectations expectations over the frame of facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from medweave import config
from medweave.data.inventory import SPLITS

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["error", "warning"]
NEARLY_ALL = 0.95
"""The share of foreground above which a mask is told, as it may be inverted."""
SEVERITY: Mapping[Level, str] = {"error": "critical", "warning": "warning"}


@dataclass(frozen=True)
class Rule:
    """An expectation, and how to tell that a row breaks it.

    `file`, `message` and `advice` are format strings over the columns of that row in the frame, or over
    `observed_value` where the expectation is about the whole table.
    """

    name: str
    level: Level
    expectation: Any
    message: str
    advice: str
    file: str = "{file}"


def rules_for(frame: pd.DataFrame, data: config.Data, validation: config.Validation) -> list[Rule]:
    """All rules that apply to `frame` (see `facts.rule_frame`) under these settings."""
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    split, usable, absent = Column("split"), Column("usable"), Column("absent")
    has_image, has_mask = Column("image_uri").is_not_null(), Column("mask_uri").is_not_null()
    expert, test, unlabeled = split.is_in(["gold", "test"]), split == "test", split == "unlabeled"
    rules: list[Rule] = []

    def rule(
        name: str, level: Level, kind: str, message: str, advice: str, file: str = "{file}", **limits: Any
    ) -> None:
        expectation = getattr(gxe, f"Expect{kind}")(meta={"rule": name}, severity=SEVERITY[level], **limits)
        rules.append(Rule(name, level, expectation, message, advice, file))

    for name in SPLITS:
        least = getattr(validation, f"min_{name}")
        rule(
            f"enough {name} images",
            "error",
            "TableRowCountToBeBetween",
            f"{{observed_value}} usable images, {least} are needed",
            f"add images, mend those below, or lower validation.min_{name}",
            file=f"data.{name}",
            min_value=least,
            row_condition=(split == name) & (usable == True),  # noqa: E712
        )
        if getattr(data, name).list is not None:
            names = frame.loc[(frame["split"] == name) & frame["absent"], "image_id"]
            shown = _literal(", ".join([*names[:10], *(["…"] if len(names) > 10 else [])]))
            rule(
                f"listed {name} images are there",
                "warning",
                "TableRowCountToBeBetween",
                f"{{observed_value}} listed images were not found ({shown})",
                "add their files or take them off the list",
                file=f"data.{name}.list",
                max_value=0,
                row_condition=(split == name) & (absent == True),  # noqa: E712
            )
    rule(
        "gold and test images can be read",
        "error",
        "ColumnValuesToBeNull",
        "{image_problem}",
        "{image_advice}",
        column="image_problem",
        row_condition=expert & has_image,
    )
    rule(
        "masks can be read",
        "error",
        "ColumnValuesToBeNull",
        "{mask_problem}",
        "{mask_advice}",
        file="{mask_uri}",
        column="mask_problem",
        row_condition=expert & has_mask,
    )
    rule(
        "each image has a mask",
        "error",
        "ColumnValuesToNotBeNull",
        "this {split} image has no mask",
        "add a mask of the same name or remove the image",
        column="mask_uri",
        row_condition=expert & has_image,
    )
    rule(
        "each mask has an image",
        "error",
        "ColumnValuesToNotBeNull",
        "this {split} mask has no image",
        "add an image of the same name or remove the mask",
        column="image_uri",
        row_condition=expert & has_mask,
    )
    rule(
        "image ids are unique",
        "error",
        "CompoundColumnsToBeUnique",
        "the image id '{image_id}' is used more than once in {pool} ({namesakes})",
        "rename or remove all but one",
        column_list=["pool", "image_id"],
    )
    rule(
        "image ids can name files",
        "error",
        "ColumnValuesToMatchRegex",
        "'{image_id}' cannot be the name of a file",
        "use an image_id without slashes and control characters",
        column="image_id",
        regex=r"^(?!\.{1,2}$)[^/\\\x00-\x1f]+$",
    )
    rule(
        "image and mask have the same size",
        "error",
        "ColumnPairValuesToBeEqual",
        "the mask is {mask_size}, its image {size} (width x height)",
        "export the mask at the image's size",
        file="{mask_uri}",
        column_A="size",
        column_B="mask_size",
        ignore_row_if="either_value_is_missing",
    )
    rule(
        "masks hold only class values",
        "error",
        "ColumnValuesToBeNull",
        "holds values that are no class ({foreign_values})",
        "use 0 and 255 (or 1) for one class, 0 to n for n classes, or set data.classes",
        file="{mask_uri}",
        column="foreign_values",
        row_condition=has_mask,
    )
    rule(
        "gold masks are not empty",
        "error",
        "ColumnValuesToBeBetween",
        "the gold mask is empty",
        "draw the structure or take the image out of gold",
        file="{mask_uri}",
        column="foreground_share",
        min_value=0.0,
        strict_min=True,
        row_condition=split == "gold",
    )
    for labelled in ("gold", "test"):
        full = frame.loc[
            (frame["split"] == labelled) & (frame["foreground_share"].astype(float) > NEARLY_ALL), "mask_uri"
        ]
        rule(
            f"{labelled} masks leave background",
            "warning",
            "TableRowCountToBeBetween",
            f"{{observed_value}} {labelled} masks are more than {NEARLY_ALL:.0%} foreground "
            f"({_literal(next(iter(full), ''))} is the first)",
            "look at them; where they are inverted, save them with 0 as the background",
            file=f"data.{labelled}",
            max_value=0,
            row_condition=(split == labelled) & (Column("foreground_share") > NEARLY_ALL),
        )
    if len(data.classes) > 1:
        held = list(frame["class_values"].dropna().unique())
        for number, called in enumerate(data.classes, start=1):
            having = [text for text in held if str(number) in text.split(", ")] or ["none"]
            rule(
                f"gold masks show class {number}",
                "warning",
                "TableRowCountToBeBetween",
                f"no gold mask holds {number}, which is the class '{_literal(called)}'",
                "add gold that shows it, or take it out of data.classes",
                file="data.classes",
                min_value=1,
                row_condition=(split == "gold") & Column("class_values").is_in(having),
            )
    rule(
        "images are large enough",
        "error",
        "ColumnValuesToBeBetween",
        f"is {{size}} pixels, {validation.min_size} a side are needed",
        "remove it, or lower validation.min_size",
        column="shorter_side",
        min_value=validation.min_size,
    )
    rule(
        "no image is in both test and training",
        "error",
        "ColumnValuesToBeNull",
        "this test image is also in training ({training_duplicates})",
        "remove it from one of them",
        column="training_duplicates",
        row_condition=test,
    )
    rule(
        "no test image is corrected",
        "error",
        "ColumnValuesToBeNull",
        "this test image has a corrected label ({correction}), and test data never becomes gold",
        "take the image out of test, or its correction out of data.corrections",
        column="correction",
        row_condition=test,
    )
    rule(
        "no test image is a near-duplicate of a training image",
        data.duplicates.across_splits,
        "ColumnValuesToBeNull",
        "this test image is nearly the same as in training ({training_near})",
        "look at both and remove one if they show the same",
        column="training_near",
        row_condition=test,
    )
    rule(
        "no group is in both test and training",
        "error",
        "ColumnValuesToBeNull",
        "the group '{training_group}' of this test image is in {group_splits} too",
        "keep all images of a group (a patient) on one side, or mend data.groups",
        column="training_group",
        row_condition=test,
    )
    without = frame.loc[frame["image_uri"].notna() & frame["given_group"].isna(), "image_id"]
    if frame["given_group"].notna().any():
        rule(
            "all images have a group or none has",
            "warning",
            "TableRowCountToBeBetween",
            f"{{observed_value}} of {frame['image_uri'].notna().sum()} images have no group "
            f"({_literal(next(iter(without), ''))} is the first); each counts as a group of its own",
            "state the group (the patient) of every image",
            file="data.groups",
            max_value=0,
            row_condition=has_image & Column("given_group").is_null(),
        )
    rule(
        "test and training share no image id",
        "warning",
        "ColumnValuesToBeNull",
        "its image id is used in training too ({training_namesakes})",
        "rename one, so that lineage tells them apart",
        column="training_namesakes",
        row_condition=test,
    )
    for pool, members, shared in (
        ("training", split.is_in(["gold", "unlabeled"]), "are never split"),
        ("test", test, "count as one patient in intervals"),
    ):
        for kind, column in (("equal", "later_duplicates"), ("nearly equal", "later_near")):
            rule(
                f"{pool} has no {kind} images",
                "warning",
                "ColumnValuesToBeNull",
                f"is {kind} to {{{column}}}",
                f"nothing to do: they share a group, and {shared}",
                column=column,
                row_condition=members,
            )
    rule(
        "unlabeled images can be read",
        "warning",
        "ColumnValuesToBeNull",
        "{image_problem}",
        "it was set aside; {image_advice}",
        column="image_problem",
        row_condition=unlabeled & has_image,
    )
    rule(
        "images show something",
        "warning",
        "ColumnValuesToBeBetween",
        "all its pixels are the same",
        "remove it or export it again",
        column="intensity_std",
        min_value=0.0,
        strict_min=True,
    )
    gold = frame[(frame["split"] == "gold") & frame["usable"]]
    drawn = test & (Column("foreground_share") > 0)
    for name, column, told, condition, file in (
        ("test", "foreground_share", "the mask's share of the image", drawn, "{mask_uri}"),
        ("test", "components", "the mask's number of pieces", drawn, "{mask_uri}"),
        ("unlabeled", "intensity_mean", "mean brightness", unlabeled, "{file}"),
        ("unlabeled", "intensity_std", "contrast (standard deviation)", unlabeled, "{file}"),
        ("unlabeled", "side", "size (mean side in pixels)", unlabeled, "{file}"),
    ):
        values = gold[column].dropna()
        if values.empty:
            continue
        low, high = values.min() / (1 + validation.slack), values.max() * (1 + validation.slack)
        rule(
            f"{name}: {told} is like gold's",
            "warning",
            "ColumnValuesToBeBetween",
            f"{told} is {{{column}:.3g}}, gold has {values.min():.3g} to {values.max():.3g}",
            "check that it belongs to this task, or raise validation.slack",
            file=file,
            column=column,
            min_value=float(low),
            max_value=float(high),
            row_condition=condition,
        )
    return rules


def _literal(text: str) -> str:
    """A text that a format string shows as it is."""
    return text.replace("{", "{{").replace("}", "}}")
