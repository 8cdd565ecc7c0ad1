"""The run's HTML page: what went in, how labels were made, which were trusted, and what the model is worth."""

from medweave.report.content import Example, ReportContent, SyntheticExample
from medweave.report.examples import contact_sheet
from medweave.report.page import render_report
from medweave.report.plots import plots
from medweave.report.summary import build_summary

__all__ = ["Example", "ReportContent", "SyntheticExample", "build_summary", "contact_sheet", "plots", "render_report"]
