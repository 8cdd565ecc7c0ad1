"""From a folder of new images to a verdict on them, and to a retraining where that matters."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from medweave.config import Settings
from steps.alert import alert
from steps.decide_retraining import decide_retraining
from steps.judge_batch import judge_batch
from steps.measure_images import measure_images
from steps.record_batch import record_batch
from steps.start_retraining import start_retraining
from steps.take_images import take_images
from steps.training_images import training_images


@pipeline(name="monitoring", execution_mode=ExecutionMode.FAIL_FAST)
def monitoring(settings: Settings, images: str, since: str | None, labels: str | None, unattended: bool) -> None:
    """Take new images, measure them as the champion sees them, judge, record, alert, decide on a retraining.

    Where nobody waits for the run (`unattended`), it starts the retraining itself.
    """
    batch = take_images(images, since, settings)
    gold, unlabeled = training_images(settings.only("data", "compute"), settings.task)
    measured, training, observed = measure_images(batch, gold, unlabeled, labels, settings)
    judged, _ = judge_batch(measured, training, gold, observed, images, settings)
    record_batch(judged, measured, settings)
    alert(judged, settings)
    retraining = decide_retraining(judged, settings)
    if unattended:
        start_retraining(retraining, settings.task)
