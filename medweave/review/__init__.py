"""The review queue: labels go out to an expert as a folder, and come back as corrections."""

from medweave.review.corrected import Imported, import_corrections, user_name
from medweave.review.queue import write_queue

__all__ = ["Imported", "import_corrections", "user_name", "write_queue"]
