"""A challenger before the gate: measured on the current test set beside gold-only training and the champion."""

from medweave.promotion.judging import Judgement, judge, only_model, promote, rollback

__all__ = ["Judgement", "judge", "only_model", "promote", "rollback"]
