"""The settings of a task, section by section, with their defaults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What tasks and schedules may be called."""


class Section(BaseModel):
    """A frozen part of the settings; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Phantoms(Section):
    """Embedded images with exact masks, made on the spot (used when `data.root` is not set)."""

    modality: Literal["ultrasound", "dermoscopy", "xray"] = "ultrasound"
    size: Annotated[int, Field(ge=64, le=1024)] = 192
    gold: Positive = 16
    unlabeled: Annotated[int, Field(ge=0)] = 64
    test: Positive = 48


class Source(Section):
    """Where one split's images and masks are: folders, or a CSV with `image` and `mask` columns.

    Paths are relative to `data.root` unless absolute or a URI. `list` names a text file with one image id a line:
    only these images are taken.
    """

    images: str | None = None
    masks: str | None = None
    csv: str | None = None
    list: str | None = None


class Duplicates(Section):
    """Near-duplicates by perceptual hash: at most `distance` differing bits out of 256."""

    distance: Annotated[int, Field(ge=0, le=64)] = 28
    across_splits: Literal["warning", "error"] = "warning"


class Data(Section):
    """Where images, masks and groups are, and what the masks mean; see `Source` for relative paths.

    `corrections` is where `medweave labels import` keeps corrected masks, which count as gold (default: the folder
    `corrections/<task>` in medweave's home).
    """

    root: str | None = None
    phantoms: Phantoms | None = None
    gold: Source = Source(images="gold/images", masks="gold/masks")
    unlabeled: Source = Source(images="unlabeled/images")
    test: Source = Source(images="test/images", masks="test/masks")
    groups: str = "groups.csv"
    corrections: str | None = None
    classes: tuple[str, ...] = ("foreground",)
    max_pixels: Positive = 100_000_000
    duplicates: Duplicates = Duplicates()

    @field_validator("classes", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Accept a number of foreground classes, and a list that starts with the background."""
        if isinstance(value, int) and not isinstance(value, bool):
            return ("foreground",) if value == 1 else tuple(f"class_{k}" for k in range(1, value + 1))
        if isinstance(value, (list, tuple)) and value and str(value[0]).lower() == "background":
            return tuple(value[1:])
        return value

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value) or len(value) > 254:
            raise ValueError("needs 1 to 254 distinct foreground class names")
        return value


class Validation(Section):
    """Bounds that data must keep before a run starts; `slack` widens what gold allows."""

    min_gold: Positive = 4
    min_unlabeled: Annotated[int, Field(ge=0)] = 0
    min_test: Positive = 4
    min_size: Positive = 16
    slack: Annotated[float, Field(ge=0.0)] = 1.0


class SampleChecks(Section):
    """What a sample must pass before it is used; what fails is dropped.

    `false_alarms` is the share of different real images that would be called copies. `coarse_dice` and `labeler_dice`
    are the least Dice of the mask that an image was made for with what the coarse model, and the labeler prompted by
    that mask, find on it.
    """

    false_alarms: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.01
    coarse_dice: Share = 0.3
    labeler_dice: Share = 0.6


class Synthesis(Section):
    """How images are made by diffusion, and how many.

    `kind`: `pixel` trains a U-Net on the images at `image_size` pixels a side; `latent` trains it on what the
    autoencoder `pretrained` (a folder or hub id) makes of them; `stable_diffusion` fine-tunes the pipeline
    `pretrained` by LoRA of `lora_rank`, told `prompt`, with the pipeline's own prediction and noise. The U-Net's finest
    level has `width` channels, each level `layers` residual blocks.
    `conditional` images are made for a mask. Training images lose up to the share `crop` of their sides, and are
    flipped (`flip`: left and right may be exchanged, in images and in new masks). `min_snr` is the bound on the
    signal-to-noise ratio in the loss's weight (0: plain mean square). `guidance` is how strongly a mask steers sampling
    (1: not beyond what was learned); `ddpm` samples best with 1000 `sampling_steps`, the others with 20 to 50.
    Samples make up at most `share` of the labels that are trained on.
    """

    enabled: bool = False
    count: Positive = 100
    kind: Literal["pixel", "latent", "stable_diffusion"] = "pixel"
    pretrained: str | None = None
    lora_rank: Positive = 16
    prompt: str = ""
    image_size: Annotated[int, Field(ge=16, le=512, multiple_of=16)] = 64
    colour: Literal["auto", "gray", "rgb"] = "auto"
    conditional: bool = True
    width: Annotated[int, Field(ge=8, le=512, multiple_of=8)] = 32
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    prediction: Literal["v_prediction", "epsilon"] = "v_prediction"
    noise: Literal["cosine", "linear"] = "cosine"
    steps: Positive = 6000
    batch_size: Positive = 16
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    min_snr: Annotated[float, Field(ge=0.0)] = 5.0
    crop: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1
    flip: bool = True
    sampler: Literal["dpm_solver", "ddim", "ddpm"] = "dpm_solver"
    sampling_steps: Annotated[int, Field(ge=1, le=1000)] = 25
    guidance: Annotated[float, Field(ge=1.0, le=20.0)] = 2.0
    share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    checks: SampleChecks = SampleChecks()


class Augmentation(Section):
    """Random changes of training images.

    Degrees of `rotation`, the lowest and the highest factor of `scale`, shares of the size as `translation`, shares of
    the intensity as `brightness` and `contrast`.
    """

    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 20.0
    scale: tuple[float, float] = (0.5, 1.6)
    translation: Share = 0.1
    brightness: Share = 0.3
    contrast: Share = 0.3
    flip_horizontal: bool = True
    flip_vertical: bool = False

    @field_validator("scale")
    @classmethod
    def _from_low_to_high(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("give two factors above 0, the lower one first")
        return value


class Consistency(Section):
    """What images without a trusted label teach: the network agrees with its own moving average on disturbed views.

    `weight` against the labels (0: not at all), reached over the share `ramp` of the steps; only what the average gives
    at least the probability `confidence` counts; in the share `cutmix` of the images a part comes from another one.
    """

    weight: Annotated[float, Field(ge=0.0)] = 0.0
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.9
    ramp: Share = 0.3
    cutmix: Share = 0.5


class Segmentation(Section):
    """One recipe for the coarse, the baseline and the final model.

    `Compact` is the built-in network; it starts from weights that come with medweave and leaves no encoder to choose.
    The other architectures are those of segmentation-models-pytorch: `encoder`, its `encoder_weights`, and the U-Nets'
    `decoder_channels` from deep to shallow.

    The coarse model has a member a fold, each of `coarse_steps`; baseline and final have `members` networks of
    `final_steps` whose probabilities are averaged. Where there are images without an expert's label they are the share
    1 - `gold_share` of each batch; the loss on their labels, which may be wrong, is generalised cross-entropy of
    exponent `noise` (0: cross-entropy).
    """

    architecture: Literal[
        "Compact", "Unet", "UnetPlusPlus", "FPN", "MAnet", "Linknet", "DeepLabV3Plus", "PAN", "Segformer"
    ] = "Compact"
    encoder: str = "resnet18"
    encoder_weights: str | None = None
    decoder_channels: tuple[Positive, ...] | None = (128, 64, 32, 16, 16)
    image_size: Annotated[int, Field(ge=32, le=2048, multiple_of=32)] = 160
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    coarse_steps: Positive = 200
    final_steps: Positive = 200
    members: Annotated[int, Field(ge=1, le=10)] = 2
    evaluations: Positive = 4
    batch_size: Positive = 8
    gold_share: Share = 0.5
    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-2
    schedule: Literal["onecycle", "cosine"] = "onecycle"
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    flip_at_test: bool = True
    noise: Share = 0.7
    consistency: Consistency = Consistency()
    augmentation: Augmentation = Augmentation()

    @field_validator("encoder", "encoder_weights", "decoder_channels")
    @classmethod
    def _of_another_architecture(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what the built-in network would ignore."""
        default = cls.model_fields[str(info.field_name)].default
        if info.data.get("architecture") == "Compact" and value != default:
            raise ValueError("Compact leaves none to choose; set segmentation.architecture, for example to Unet")
        return value


class Prompts(Section):
    """What a promptable model is given for each component that the coarse model sees (probability over `threshold`).

    A box grown on every side by `margin` of its width or height, points, or both; and `jitters` alternatives, whose
    boxes have every side moved outwards by a random share from 0 to `jitter`. `rounds` is how often a model that takes
    masks as prompts decodes, from the second time on with its own mask. With `auto` (also `prompts: auto`) kind,
    margin, threshold, jitter and rounds are chosen by cross-validation on gold.
    """

    auto: bool = False
    kind: Literal["box", "points", "box_and_points"] = "box"
    margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    jitters: Annotated[int, Field(ge=0, le=32)] = 2
    jitter: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    rounds: Annotated[int, Field(ge=1, le=8)] = 1


class Labeling(Section):
    """Which labeler makes the weak labels, and how.

    `imported` is a folder of masks (looked up under `data.root`, then from the working directory); `second_opinion` is
    another one, whose masks stand beside the labeler's: the better one of an image is kept. `checkpoint` and
    `model_type` are the weights of `sam` and `medsam`, whose image encoder `compile` hands to torch.compile. With
    `adapt` a model of SAM's kind is fine-tuned on gold and, where prompts have boxes, averaged with a `crop`,
    each if that is better by cross-validation. With several
    `rounds` the coarse model is trained again, on gold and on the labels of the round before, to prompt the next. A
    label is what the labeler and the coarse model see together, of which the coarse model has `coarse_share`; `auto`
    chooses it by cross-validation on gold, and is 0 for masks made elsewhere.
    """

    labeler: str = "compact"
    imported: str | None = None
    second_opinion: str | None = None
    checkpoint: str | None = None
    model_type: Literal["vit_b", "vit_l", "vit_h"] = "vit_b"
    compile: bool = False
    adapt: bool = False
    rounds: Annotated[int, Field(ge=1, le=5)] = 1
    coarse_share: Share | Literal["auto"] = "auto"
    prompts: Prompts = Prompts()

    @property
    def other_masks(self) -> str | None:
        """The folder of the second opinion, unless it is what the labeler itself takes."""
        return None if (self.labeler, self.imported) == ("imported", self.second_opinion) else self.second_opinion

    @field_validator("prompts", mode="before")
    @classmethod
    def _chosen(cls, value: Any) -> Any:
        """Accept the word `auto`."""
        return {"auto": True} if value == "auto" else value


class Quality(Section):
    """What a weak label must reach to be accepted, or to go to review.

    It is accepted from a predicted Dice of `accept` whose 90 % interval begins at `accept_low` or above; from `review`
    on an expert decides; below it is rejected. Outside the bounds that gold sets on a label's features, which `slack`
    widens, it is trusted one step less. With `beat_coarse` it must also reach the Dice that the coarse model has on
    gold by itself, as a label that is worse teaches mistakes; not where the labels of gold, by cross-validation, are no
    worse than the coarse model by more than one standard error. With a second opinion it goes to review where the other
    mask contradicts it: their Dice is below `contradicted`.

    `on_drift` says what to do when accepted labels are unlike gold: a feature differs for sure and by a Cliff's delta
    of at least `drift_effect` (0.33 is a medium effect: Romano et al., 2006).
    """

    accept: Share = 0.6
    accept_low: Share = 0.0
    review: Share = 0.3
    beat_coarse: bool = True
    contradicted: Share = 0.2
    slack: Annotated[float, Field(ge=0.0, le=10.0)] = 0.5
    min_component_share: Share = 0.1
    on_drift: Literal["warn", "stop", "ignore"] = "warn"
    drift_effect: Share = 0.33

    @model_validator(mode="after")
    def _accepts_more_than_it_reviews(self) -> Self:
        if self.accept < self.review:
            raise ValueError(f"accept ({self.accept:g}) is below review ({self.review:g}); lower review, too")
        return self


class Evaluation(Section):
    """Bootstrap resamples, and the surface Dice's tolerance in pixels of the image itself.

    With `ablation` the final training is repeated without one of its parts at a time, to say what each is worth.
    """

    resamples: Annotated[int, Field(ge=100)] = 2000
    surface_tolerance: Annotated[float, Field(gt=0.0)] = 3.0
    ablation: bool = False


class Promotion(Section):
    """What a challenger must show before it becomes the champion.

    It may lose `margin` of mean Dice against the champion, at the interval's lower end, on at least `min_test` images,
    and in no part of them more than its margin in `subgroups`: thirds by `image_size` and `lesion_size`, and the
    values of a column of `data.groups`; parts of fewer than `min_subgroup` images do not count. Of the labels it
    learned from, at most the shares `max_weak` and `max_synthetic` are such. `checks` are those that must have passed.
    """

    margin: Share = 0.02
    min_test: Positive = 20
    subgroups: Mapping[str, Share] = {"image_size": 0.05, "lesion_size": 0.05}
    min_subgroup: Positive = 10
    max_weak: Share = 1.0
    max_synthetic: Share = 1.0
    checks: tuple[Literal["validation", "calibration", "drift"], ...] = ("validation", "calibration")


class Monitoring(Section):
    """When a batch of new images has drifted, and what follows.

    A batch from the training images' own source reads `drift` in at most the share `false_alarms` of cases, and `watch`
    or `drift` in at most `watch_alarms`. A difference must be of at least `effect` (Cliff's delta, or the difference of
    rates) to be drift: half a standard deviation is 0.28. Fewer than `min_images` images are not judged. Batches are
    kept in `folder` (default: `monitoring` in medweave's home).

    With `retrain` a drift starts the training pipeline: once for the same columns moving the same way while the same
    champion is in use, and not within `cooldown_days` of the last such start.
    """

    false_alarms: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    watch_alarms: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    effect: Share = 0.2
    min_images: Annotated[int, Field(ge=8)] = 20
    folder: str | None = None
    retrain: bool = False
    cooldown_days: Annotated[float, Field(ge=0.0)] = 7.0


class Tracking(Section):
    """MLflow's URI; without one `$MLFLOW_TRACKING_URI`, or the store in medweave's home.

    Settings are kept with each run, so a URI with a password belongs into the environment.
    """

    uri: str | None = None

    @field_validator("uri")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        if value and urlsplit(value).password:
            raise ValueError("settings are kept with each run, so no password here; set MLFLOW_TRACKING_URI instead")
        return value


class Compute(Section):
    """Device, precision, threads (0: all cores) and how many rows a shard has.

    The precision `auto` is bf16 on a device that computes in it natively, else fp32.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0
    shard_rows: Positive = 64


class Pod(Section):
    """What a step's pod asks of a cluster, in Kubernetes' units.

    `memory` is asked for and is the most it gets. `shared_memory` is the size of /dev/shm, out of `memory`. A pod that
    fails or is lost is started again `retries` times; one that waits and runs for more than `timeout` seconds fails.
    """

    cpu: Annotated[str, Field(pattern=r"^[0-9]+m?$")] = "1"
    memory: Annotated[str, Field(pattern=r"^[0-9]+[MG]i$")] = "4Gi"
    gpus: Annotated[int, Field(ge=0)] = 0
    shared_memory: Annotated[str, Field(pattern=r"^[0-9]+[MG]i$")] = "256Mi"
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    timeout: Positive | None = 86_400
    priority: str | None = None


class Cluster(Section):
    """How steps run on Kubernetes; on one machine nothing of it is used.

    `steps` names the pods of steps that `pod` does not fit. Steps with GPUs ask for the resource `gpu` on nodes
    labelled `gpu_nodes`, past the taint of the resource's name. At most `parallel` steps run at a time; labelling and
    sampling are spread over `parts` steps. A pod that no node takes for `wait` seconds ends the run.
    """

    pod: Pod = Pod()
    steps: Mapping[str, Pod] = {}
    gpu_nodes: Mapping[str, str] = {}
    gpu: str = "nvidia.com/gpu"
    parallel: Positive = 4
    parts: Positive = 1
    wait: Positive = 900


class Settings(Section):
    """All settings of one task."""

    task: Annotated[str, Field(pattern=NAME)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    profile: Literal["fast", "default"] = "default"
    data: Data = Data()
    validation: Validation = Validation()
    synthesis: Synthesis = Synthesis()
    segmentation: Segmentation = Segmentation()
    labeling: Labeling = Labeling()
    quality: Quality = Quality()
    evaluation: Evaluation = Evaluation()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    tracking: Tracking = Tracking()
    compute: Compute = Compute()
    cluster: Cluster = Cluster()

    @property
    def model_name(self) -> str:
        """Name of the task's registered model."""
        return f"medweave-{self.task}"

    def only(self, *sections: str) -> Settings:
        """These sections (and the seed), all others at their defaults.

        A step that takes only what it needs is not run again when something else changes.
        """
        return Settings(task="any", seed=self.seed, **{section: getattr(self, section) for section in sections})

    def digest(self) -> str:
        """SHA-256 of all settings, defaults included, as 64 hexadecimal digits."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
