"""SAM, MedSAM and models of their form: frames, fast encoder, prompt decoding, embeddings on disk."""

from medweave.labeling.sam.cache import EmbeddingCache
from medweave.labeling.sam.labeler import Embedding, SamLabeler
from medweave.labeling.sam.loading import load_sam, load_state

__all__ = ["Embedding", "EmbeddingCache", "SamLabeler", "load_sam", "load_state"]
