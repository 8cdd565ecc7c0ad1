"""ZenML's view of the stages: each step parses, calls medweave and returns."""

import materializers as materializers
