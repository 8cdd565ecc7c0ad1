"""Images and labels: the image table, readers, ingest, validation, export."""

from medweave.data.table import ImageRow, ImageTable, MaskRef, ShardWriter, write_shards, write_table

__all__ = ["ImageRow", "ImageTable", "MaskRef", "ShardWriter", "write_shards", "write_table"]
